"""Places where recorded traffic holds secrets, kind by kind, and ordinary samples that must stay as they are.

``§`` stands for the secret, which is made from a seed: there is no real one here. :data:`SHAPES` are token shapes:
``<a40>`` is forty letters and digits, ``h`` hexadecimal, ``u`` upper case and digits, ``l`` lower case and digits,
``d`` digits, ``b`` as ``a`` with ``_`` and ``-``.

``python -m tests.support.recall_list`` prints what is left, and what ordinary samples are changed.
"""

from __future__ import annotations

import json
import random
import re
import string
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from packhorse.redact import Redactor
from tests.support.check_redaction import texts_in

_ALPHABETS = {
    "a": string.ascii_letters + string.digits,
    "b": string.ascii_letters + string.digits + "_-",
    "d": string.digits,
    "h": "0123456789abcdef",
    "l": string.ascii_lowercase + string.digits,
    "u": string.ascii_uppercase + string.digits,
    "w": string.ascii_lowercase,
}


class Planted(NamedTuple):
    """A secret in its place."""

    kind: str
    number: int
    secret: str
    element: Any


def _url(url: str) -> Any:
    return {"request": {"method": "GET", "url": url}}


def _header(name: str, value: str = "§") -> Any:
    return {"request": {"headers": [{"name": "Accept", "value": "*/*"}, {"name": name, "value": value}]}}


def _body(text: str, mime: str = "text/html") -> Any:
    return {"response": {"content": {"mimeType": mime, "text": text}}}


def _json(value: Any) -> Any:
    return _body(json.dumps(value, ensure_ascii=False), "application/json")


def _post(text: str, mime: str = "application/x-www-form-urlencoded") -> Any:
    return {"request": {"postData": {"mimeType": mime, "text": text}}}


def _js(text: str) -> Any:
    return _body(text, "application/javascript")


def _xml(text: str) -> Any:
    return _body(f'<?xml version="1.0"?>\n<root>{text}</root>', "application/xml")


def _text(text: str) -> Any:
    return _body(text, "text/plain")


_GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"

#: Each kind with the shape of its secrets.
PLACES: dict[tuple[str, str], list[Any]] = {
    ("confirmation fields and plurals", "<a18>"): [
        _post("user=ada&confirm_password=§"),
        _post("user=ada&j_password=§"),
        _post("user=ada&pwd2=§&x=1"),
        _post("user=ada&pass1=§&x=1"),
        _post("user=ada&userpass=§"),
        _post("user=ada&newPass=§"),
        _post("log=ada&login_pass=§"),
        _post("txtPasswordConfirm=§"),
        _post("user[password_digest]=§"),
        _json({"passwordAgain": "§"}),
        _json({"passwordHash": "§"}),
        _json({"apiTokens": ["§"]}),
        _json({"clientSecrets": {"prod": "§"}}),
        _json({"accessKeys": [{"id": 1, "value": "§"}]}),
        _json({"signingKeys": ["§"]}),
        _json({"Passwort": "§"}),
        _json({"mot_de_passe": "§"}),
        _json({"contrasena": "§"}),
    ],
    ("API-key headers", "<a32>"): [
        *map(
            _header,
            (
                *("x-goog-api-key", "Ocp-Apim-Subscription-Key", "x-functions-key", "DD-API-KEY", "DD-APPLICATION-KEY"),
                *("X-Shopify-Access-Token", "CF-Access-Client-Secret", "X-RapidAPI-Key", "X-Algolia-API-Key"),
                *("X-Parse-REST-API-Key", "X-Parse-Master-Key", "X-Master-Key", "X-Honeycomb-Team", "X-Sentry-Auth"),
                *("aeg-sas-key", "X-Figma-Token", "X-JFrog-Art-Api", "X-Insert-Key", "X-License-Key", "Fastly-Key"),
                *("X-Appwrite-Key", "X-Hasura-Admin-Secret", "X-Tableau-Auth", "X-App-Key", "Cf-Access-Jwt-Assertion"),
                *("X-Goog-IAP-JWT-Assertion", "X-MS-Client-Principal", "X-Ms-Token-Aad-Id-Token", "xi-api-key"),
                *("X-Hub-Signature-256", "OK-ACCESS-SIGN", "X-Subscription-Token", "X-Access-Key", "X-Service-Key"),
                *("X-Ably-Key", "X-Auth-Signature", "X-Device-Key", "X-Postmark-Server-Token", "X-Mashape-Key"),
            ),
        ),
    ],
    ("second factors", "<d6>"): [
        _json({"mfa_code": "§"}),
        _json({"otpCode": "§"}),
        _json({"two_factor_code": "§"}),
        _json({"verification_code": "§"}),
        _json({"smsCode": "§"}),
        _json({"one_time_code": "§"}),
        _json({"backup_codes": ["§"]}),
        _json({"totp": "§"}),
        _json({"tfaCode": "§"}),
        _json({"twoFactorCode": "§"}),
        _post("username=ada&otp_attempt=§"),
        _post("g_authenticator_code=§&a=b"),
        _post("mfaToken=§"),
        _header("X-GitHub-OTP"),
        _json({"pin": "§"}),
    ],
    ("recovery", "<l5>-<l5>"): [
        _json({"otp_secret": "§"}),
        _json({"recovery_code": "§"}),
        _json({"recoveryCodes": ["§", "x1y2z-00aa1"]}),
        _json({"backupCode": "§"}),
        _json({"scratch_codes": ["§"]}),
        _json({"recovery_key": "§"}),
        _json({"security_answer": "§"}),
        _json({"totpSeed": "§"}),
        _json({"seedPhrase": "§"}),
        _json({"mnemonic": "§"}),
        _text("otpauth://totp/Shop:ada?secret=§&issuer=Shop"),
    ],
    ("secrets in paths", "<a32>"): [
        _url("https://app.example/reset-password/§"),
        _url("https://app.example/password/reset/§?email=a%40b.example"),
        _url("https://app.example/users/confirm/§"),
        _url("https://app.example/verify-email/§"),
        _url("https://app.example/magic-link/§"),
        _url("https://app.example/auth/magic/§"),
        _url("https://app.example/login/token/§"),
        _url("https://app.example/invite/§/accept"),
        _url("https://app.example/account/activate/MTIz/§/"),
        _url("https://app.example/reset/MTIz/§/"),
        _url("https://app.example/forgot-password/reset/§"),
        _json({"link": "https://app.example/accounts/password/reset/key/§"}),
        _body('<a href="https://app.example/unsubscribe/§">stop</a>'),
        _url("https://shop.example/cart;jsessionid=§?x=1"),
        _url("https://shop.example/(S(§))/default.aspx"),
        _url("https://shop.example/(X(1)S(§))/default.aspx"),
        _url("https://shop.example/(F(§))/default.aspx"),
        _text("see https://app.example/sessions/§ for it"),
    ],
    ("webhooks", ""): [
        (_url("https://hooks.slack.com/services/T0123ABCD/B0456EFGH/§"), "<a24>"),
        (_url("https://hooks.slack.com/workflows/T0123ABCD/A0456EFGH/451234567890123456/§"), "<a24>"),
        (_url("https://discord.com/api/webhooks/112233445566778899/§"), "<b68>"),
        (_json({"hook": "https://discordapp.com/api/v10/webhooks/112233445566778899/§"}), "<b68>"),
        (_url(f"https://acme.webhook.office.com/webhookb2/{_GUID}@{_GUID}/IncomingWebhook/§/{_GUID}"), "<h32>"),
        (_url("https://prod-1.westus.logic.azure.com/workflows/x/triggers/manual/paths/invoke?sig=§"), "<b43>"),
        (_url("https://api.telegram.org/bot123456789:§/getMe"), "<b35>"),
        (_url("https://hooks.zapier.com/hooks/catch/123456/§/"), "<l7>"),
        (_url("https://maker.ifttt.com/trigger/door/with/key/§"), "<b22>"),
        (_url("https://chat.googleapis.com/v1/spaces/AAAA/messages?key=x1234&token=§"), "<b43>"),
        (_url("https://hook.eu1.make.com/§"), "<l32>"),
        (_url("https://mattermost.example/hooks/§"), "<l26>"),
        (_url("https://calendar.google.com/calendar/ical/a%40b/private-§/basic.ics"), "<h32>"),
        (_url("https://mainnet.infura.io/v3/§"), "<h32>"),
        (_url("https://eth-mainnet.g.alchemy.com/v2/§"), "<b32>"),
        (_url("https://hc-ping.com/§"), "<h8>-<h4>-<h4>-<h4>-<h12>"),
    ],
    (".env, ini and yaml", "<a20>"): [
        _text("APP=shop\nDB_PASSWORD=§\n"),
        _text('export API_KEY="§"\n'),
        _text("SECRET_KEY_BASE=§\nRAILS_ENV=production\n"),
        _text("SENTRY_AUTH_TOKEN = §\n"),
        _text("db:\n  host: h\n  password: §\n"),
        _text("db:\n  api_key: '§'\n"),
        _text("[client]\nuser = root\npassword = §\n"),
        _text("//registry.npmjs.org/:_authToken=§\n"),
        _text("machine h.example login ada password §\n"),
        _text("DATABASE_URL=postgres://app:§@db/shop\n"),
        _text("Server=db;User Id=sa;Password=§;Encrypt=true"),
        _text("DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=§==;EndpointSuffix=core.windows.net"),
        _text("MAIL_PASSWORD='§'"),
        _text("APP_KEY=base64:§="),
    ],
    ("command lines", "<a20>"): [
        _text("curl -u ada:§ https://h.example/"),
        _text("curl --user 'ada:§' https://h.example/"),
        _text('curl -H "X-Api-Key: §" https://h.example/'),
        _text("curl -H 'Authorization: Basic §==' https://h.example/"),
        _text("curl -d 'password=§' https://h.example/"),
        _text("curl -b 'sid=§' https://h.example/"),
        _text('curl --cookie "session=§; a=b" https://h.example/'),
        _text("mysql --user=root --password=§ shop"),
        _text("tool login --token § --verbose"),
        _text("PGPASSWORD=§ psql -h db"),
        _text("docker login -u ada --password § registry.example"),
        _json({"command": 'curl -X POST -H "Authorization: Token §" https://h.example/'}),
    ],
    ("CSV and tables", "<a16>"): [
        _body("user,password\nada,§\n", "text/csv"),
        _body("id,name,api_key,created\n1,ada,§,2024-01-01\n", "text/csv"),
        _body("user\tpassword\nada\t§\n", "text/tab-separated-values"),
        _body('"user","password"\n"ada","§"\n', "text/csv"),
        _body("user;token;role\nada;§;admin\n", "text/csv"),
    ],
    ("log lines and dumps", "<a16>"): [
        _text("2024-05-01 INFO login user=ada password=§ ok"),
        _text("2024-05-01 INFO auth token: §"),
        _text('level=info msg="login" token="§" ip=1.2.3.4'),
        _text('Parameters: {"user"=>"ada", "password"=>"§"}'),
        _text("Parameters: {:user=>'ada', :password=>'§'}"),
        _text("Array\n(\n    [user] => ada\n    [password] => §\n)\n"),
        _text("login failed for {'user': 'ada', 'password': '§'}"),
        _text("User(name='ada', password='§')"),
        _text("User{name=ada, password=§, role=admin}"),
        _text("> Authorization: Basic §==\n> Host: h\n"),
        _text("DEBUG headers X-Api-Key=[§]"),
        _text('array(2) { ["password"]=> string(16) "§" }'),
    ],
    ("pairs", "<a20>"): [
        _json([{"key": "token", "val": "§"}]),
        _json([{"k": "password", "v": "§"}]),
        _json([{"Key": "x-api-key", "Value": "§"}]),
        _json({"field": "password", "value": "§"}),
        _json({"id": "password", "value": "§"}),
        _json({"header": "Authorization", "value": "§"}),
        _json({"key": "client_secret", "value": {"stringValue": "§"}}),
        _json({"name": "DB_PASSWORD", "content": "§"}),
        _json(["password", "§"]),
        _json([["user", "ada"], ["password", "§"]]),
        _json([["token", ["§"]]]),
        _json({"variables": [{"name": "api_key", "type": "string", "data": "§"}]}),
        _json({"value": "§", "key": "password"}),
        _json({"label": "Password", "value": "§"}),
        _json({"property": "apiKey", "newValue": "§"}),
        _js("h=[['X-Api-Key','§']]"),
    ],
    ("XML", "<a20>"): [
        _xml("<password><![CDATA[§]]></password>"),
        _xml('<user name="ada" password="§"/>'),
        _xml("<user name='ada' password='§'/>"),
        _xml('<add key="ApiKey" value="§"/>'),
        _xml('<property name="db.password">§</property>'),
        _xml("<entry key='db.password'>§</entry>"),
        _xml("<key>Password</key><string>§</string>"),
        _xml("<member><name>password</name><value><string>§</string></value></member>"),
        _xml('<string name="api_key">§</string>'),
        _xml('<setting name="ApiKey"><value>§</value></setting>'),
        _xml('<item name="token"><![CDATA[§]]></item>'),
        _xml('<Header Name="Authorization">§</Header>'),
        _xml("<password><value>§</value></password>"),
        _xml("<ns:accessToken xmlns:ns='x' >§</ns:accessToken>"),
        _xml('<wsse:Password Type="http://x#PasswordText">§</wsse:Password>'),
    ],
    ("entities", "<a20>"): [
        _body('<div data-c="{&quot;apiKey&quot;:&quot;§&quot;}">'),
        _body("<div data-c='{&#34;token&#34;:&#34;§&#34;}'>"),
        _xml("<x>&lt;password&gt;§&lt;/password&gt;</x>"),
        _body('<a href="/r?a=1&amp;access_token=§">'),
        _body('<a href="/r?a=1&#38;token&#61;§">'),
        _body('<div data-c="{&amp;quot;token&amp;quot;:&amp;quot;§&amp;quot;}">'),
        _body("<pre>api_key: &quot;§&quot;</pre>"),
        _xml("<x>&lt;user password=&quot;§&quot;/&gt;</x>"),
    ],
    ("HTML fields", "<a20>"): [
        _body('<input type="password" value="§">'),
        _body("<input type=password value='§'>"),
        _body('<input value="§" type="password" id="f7">'),
        _body('<input type="password" name="field7" value="§">'),
        _body("<input type=hidden name=authenticity_token value=§>"),
        _body('<input id="apiToken" value="§">'),
        _body('<meta name="csrf-token" content="§">'),
        _body('<textarea name="private_key" rows="3">§</textarea>'),
        _body('<input type="hidden" name="__RequestVerificationToken" value="§">'),
        _body('<input autocomplete="one-time-code" value="§">'),
        _body('<input autocomplete="current-password" name="f" value="§">'),
        _body('<button data-api-key="§">'),
        _body("<script src='x.js' data-client-token='§'></script>"),
    ],
    ("scripts", "<a20>"): [
        _js("localStorage.setItem('token','§')"),
        _js('sessionStorage.setItem("access_token", "§");'),
        _js("localStorage['authToken'] = '§'"),
        _js("window.localStorage.setItem(`jwt`, `§`)"),
        _js("Cookies.set('session_token', '§', {path:'/'})"),
        _js("xhr.setRequestHeader('X-Api-Key', '§');"),
        _js("headers.append('Authorization','§')"),
        _js("axios.defaults.headers.common['Authorization'] = '§'"),
        _js("const u = `https://h.example/?a=1&token=§`"),
        _js("const token = `§`;"),
        _js("init({apiKey : '§'})"),
        _js("document.cookie = 'session=§; path=/';"),
        _js("define('DB_PASSWORD', '§');"),
        _js("const k = process.env.API_KEY || '§';"),
        _js("fetch(u, {headers: {Authorization: `Bearer §`}})"),
        _js("$config['password']='§';"),
        _js("os.environ['API_KEY'] = '§'"),
        _js("const API_KEY: string = '§';"),
        _js("headers: {'Authorization': 'Token ' + '§'}"),
        _js("config.set('client_secret', \"§\")"),
    ],
}

#: Token shapes of vendors as their prefixes and lengths are commonly known; builtin.toml says which were looked up.
SHAPES: dict[str, str] = {
    "GitHub, fine-grained": "github_pat_<a22>_<a59>",
    "GitLab, CI job": "glcbt-64_<b20>",
    "GitLab, feed": "glft-<b20>",
    "Slack app": "xapp-1-<u11>-<d13>-<h64>",
    "Slack workflow": "xwfp-<d12>-<a24>",
    "OpenAI project": "sk-proj-<b74>T3BlbkFJ<b74>",
    "Anthropic": "sk-ant-api03-<b93>AA",
    "OpenRouter": "sk-or-v1-<h64>",
    "Groq": "gsk_<a52>",
    "xAI": "xai-<a80>",
    "Perplexity": "pplx-<a48>",
    "Replicate": "r8_<a37>",
    "Hugging Face": "hf_<a34>",
    "Hugging Face, organisation": "api_org_<a34>",
    "Tavily": "tvly-<a32>",
    "LangSmith": "lsv2_pt_<h32>_<h10>",
    "Pinecone": "pcsk_<a6>_<a63>",
    "NVIDIA": "nvapi-<b64>",
    "Fireworks": "fw_<a24>",
    "Weights & Biases": "wandb_v1_<a77>",
    "E2B": "e2b_<h40>",
    "Firecrawl": "fc-<h32>",
    "Jina": "jina_<a60>",
    "Supabase secret": "sb_secret_<b31>",
    "Supabase": "sbp_<h40>",
    "Neon": "napi_<l64>",
    "PlanetScale": "pscale_tkn_<b43>",
    "Vercel": "vcp_<a56>",
    "Netlify": "nfp_<a36>",
    "Render": "rnd_<a32>",
    "Cloudflare": "cfut_<a40><h8>",
    "DigitalOcean": "dop_v1_<h64>",
    "Shopify": "shpat_<h32>",
    "Stripe restricted": "rk_live_<a99>",
    "Stripe organisation": "sk_org_live_<a99>",
    "Svix": "whsec_<a32>",
    "Notion": "ntn_<d11><a35>",
    "Linear": "lin_api_<a40>",
    "Linear OAuth": "lin_oauth_<h64>",
    "Figma": "figd_<b40>",
    "Postman": "PMAK-<h24>-<h34>",
    "Atlassian": "ATATT3xFfGF0<b171>=<u8>",
    "Bitbucket app password": "ATBB<a24><u8>",
    "Grafana": "glsa_<a32>_<h8>",
    "Sentry": "sntrys_<a120>_<a43>",
    "New Relic": "NRAK-<u27>",
    "Datadog": "ddapp_<a34>",
    "PostHog": "phx_<a43>",
    "Resend": "re_<a8>_<a24>",
    "Brevo": "xkeysib-<h64>-<a16>",
    "HubSpot": "pat-na1-<h8>-<h4>-<h4>-<h4>-<h12>",
    "Airtable": "pat<a14>.<h64>",
    "Square": "EAAAl<b59>",
    "Twilio": "SK<h32>",
    "Mapbox secret": "sk.eyJ<a80>.<b22>",
    "npm": "npm_<a36>",
    "PyPI": "pypi-AgEIcHlwaS5vcmc<b90>",
    "RubyGems": "rubygems_<h48>",
    "crates.io": "cio<a32>",
    "Docker Hub": "dckr_pat_<b27>",
    "Terraform Cloud": "<a14>.atlasv1.<b66>",
    "Vault": "hvs.<b90>",
    "Pulumi": "pul-<h40>",
    "Doppler": "dp.st.prd.<a43>",
    "1Password service account": "ops_eyJ<a250>",
    "age": "AGE-SECRET-KEY-1<u58>",
    "Tailscale": "tskey-auth-<a17>-<a32>",
    "ngrok": "ngrok_<a40>",
    "Buildkite": "bkua_<h40>",
    "CircleCI": "CCIPAT_<a22>_<h40>",
    "Dropbox": "sl.u.<b150>",
    "Azure storage": "<a76>+ASt<a6>==",
    "Azure OpenAI": "<a52>JQQJ99<a10>ACAAAA<a6>AAAACOG<a4>",
    "Azure client secret": "<a3>8Q~<b34>",
    "Azure DevOps": "<a76>AZDO<a4>",
    "Alibaba Cloud": "LTAI5t<a18>",
    "Tencent Cloud": "AKID<a32>",
    "Yandex Cloud": "AQVN<b36>",
    "IBM Cloud": "ApiKey-<h8>-<h4>-<h4>-<h4>-<h12>",
    "Databricks": "dapi<h32>",
    "Snowflake": "ETMsDgAAA<a200>",
    "Contentful": "CFPAT-<b43>",
    "Discord bot": "MT<a24>.<b6>.<b38>",
    "Telegram bot": "<d10>:AA<b33>",
    "Facebook": "EAA<a180>",
    "Adafruit": "aio_<a28>",
    "Clojars": "CLOJARS_<h60>",
    "Frame.io": "fio-u-<b64>",
    "Sourcegraph": "sgp_<h16>_<h40>",
    "Prefect": "pnu_<a36>",
    "Typeform": "tfp_<b44>_<b14>",
    "ReadMe": "rdme_<l70>",
    "EasyPost": "EZAK<a54>",
    "Flutterwave": "FLWSECK_TEST-<h32>-X",
    "Duffel": "duffel_live_<b43>",
    "Shippo": "shippo_live_<h40>",
    "Highnote, Lob": "live_<h35>",
    "Dynatrace": "dt0c01.<u24>.<u64>",
    "SonarQube": "squ_<h40>",
    "JFrog reference token": "cmVmdGtuOjAxOj<a50>",
    "Harness": "pat.<a22>.<h24>.<a20>",
    "Intra42": "s-s4t2ud-<h64>",
    "Heroku": "HRKU-AA<b58>",
    "MaxMind": "<a6>_<a29>_mmk",
    "Amazon Bedrock": "ABSK<a109>=",
    "DeepSeek": "sk-<h32>",
    "Mailgun": "key-<h32>",
    "Slack legacy bot": "xoxb-<d12>-<d12>-<a24>",
    "Mercury": "secret-token:mercury_production_<a40>",
    "Artifactory": "AKCp<a69>",
    "Okta": "SSWS 00<b40>",
    "Plaid": "access-production-<h8>-<h4>-<h4>-<h4>-<h12>",
}


def made(rng: random.Random, shape: str) -> str:
    """A value of a shape. Runs of six characters and more hold a digit, as nearly all real ones do."""

    def run(match: re.Match[str]) -> str:
        alphabet, count = _ALPHABETS[match[1]], int(match[2])
        chars = rng.choices(alphabet, k=count)
        if count > 5 and match[1] != "w":
            chars[rng.randrange(1, count - 1)] = rng.choice("23456789")
            chars[-1] = rng.choice("abcdef" if match[1] not in "du" else "2345")
            chars[0] = rng.choice("ABCDEF" if match[1] in "abu" else "bcdef" if match[1] != "d" else "2345")
        return "".join(chars)

    return re.sub(r"<(\w)(\d+)>", run, shape)


def _filled(value: Any, secret: str) -> Any:
    if isinstance(value, str):
        return value.replace("§", secret)
    if isinstance(value, dict):
        return {key: _filled(child, secret) for key, child in value.items()}
    return [_filled(child, secret) for child in value] if isinstance(value, list) else value


def planted(seed: int = 1) -> Iterator[Planted]:
    """Every place with a secret in it."""
    rng = random.Random(seed)
    for (kind, shape), elements in PLACES.items():
        for number, element in enumerate(elements):
            template, own = element if isinstance(element, tuple) else (element, shape)
            secret = made(rng, own)
            yield Planted(kind, number, secret, _filled(template, secret))
    for number, shape in enumerate(SHAPES.values()):
        secret = made(rng, shape)
        element = (
            _json({"note": [f"it is {secret} now"]}),
            _js(f"const a='{secret}';f(a)"),
            _header("X-Note", secret),
        )[number % 3]
        yield Planted("token shapes", number, secret, element)


#: What only looks like a secret.
ORDINARY: dict[str, Any] = {
    "OpenAPI": _json(
        {"components": {"schemas": {"Login": {"properties": {"password": {"type": "string", "example": "abc123"}}}}}}
    ),
    "OpenAPI, list of parameters": _json(
        {"parameters": [{"name": "api_key", "in": "header", "required": True, "schema": {"type": "string"}}]}
    ),
    "OpenAPI, security": _json({"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}),
    "OpenAPI in YAML": _text("properties:\n  password:\n    type: string\n    minLength: 8\n"),
    "i18n labels": _json({"login.password": "Passwort eingeben", "login.token": "Jeton d’accès", "password": "Hasło"}),
    "i18n messages": _json({"password_hint": "At least 8 characters", "forgotPassword": "Forgot password?"}),
    "validation": _json({"errors": {"password": ["must be at least 8 characters", "can't be blank"]}}),
    "validation codes": _json({"password": "too_short", "token": "invalid", "secret": "required"}),
    "prices": _json({"price_per_token": 0.002, "input_token_price": "0.0015", "cost_per_1k_tokens": 2}),
    "usage": _json({"usage": {"prompt_tokens": 52, "completion_tokens": 7, "total_tokens": 59, "tokens": 59}}),
    "limits": _json({"max_tokens": 4096, "tokens_remaining": 149000, "token_limit": 8192, "token_type": "Bearer"}),
    "?code=200": _url("https://h.example/e?code=200&key=name&sid=1"),
    "?key=": _url("https://h.example/list?sort_key=price&key=name&policy=strict"),
    "numbers": _json({"password_min_length": 12, "session_timeout": 3600, "secret_count": 3, "token_ttl": 86400}),
    "prose": _text("The password: it must be long. Your token is secret: never share it. Use code = value."),
    "prose with a colon": _body("<p>Secret: how we bake bread</p><p>Password: see the manual</p>"),
    "enumeration": _json({"auth": "token", "grant_types": ["password", "client_credentials"], "type": "secret"}),
    "TypeScript": _js("interface A { token: Token; password: string; secret?: string; apiKey: string | null }"),
    "TypeScript, function": _js("function f(token: string, password: string = '') : Token { return token }"),
    "CSS": _body(".token { color: red } .token.string { color: #690 } input[type=password] { width: 1px }", "text/css"),
    "CSS variables": _body(":root{--token-color: #fff000; --password: none; --secret-1: 10px}", "text/css"),
    "documentation": _text("Usage: tool --token <TOKEN> --password PASSWORD key=value token=YOUR_TOKEN"),
    "documentation, placeholder": _text("Authorization: Bearer <token>\nX-Api-Key: YOUR_API_KEY\n"),
    "commit": _json({"commit": "9fceb02d0ae598e95dc970b74767f19372d61af8", "tree": "d670460b4b4aece5915caf5c"}),
    "UUID": _url("https://h.example/users/0f8fad5b-d9cb-469f-a165-70867728950e/orders"),
    "ETag": {"response": {"headers": [{"name": "ETag", "value": '"33a64df551425fcc55e4d42a148795d9f25f89d4"'}]}},
    "asset hash": _url("https://cdn.example/static/reset-9f86d081884c7d659a2feaa0c55ad015.css"),
    "paths": _url("https://app.example/reset-password/confirmation"),
    "paths with a slug": _url("https://blog.example/invite/how-to-write-a-wedding-invitation-in-2024"),
    "sessions": _url("https://conf.example/sessions/building-faster-web-apps-with-less-code"),
    "minified": _js("this.token=t.token,e.password=n.value,a.secret=b(c);if(token==='x1')r.key='Enter'"),
    "parser": _js("tokens.push({type:'string',token:'+='});var tokenTypes={key:'a1'};lexer.token='number2'"),
    "storage keys": _js("localStorage.getItem('token');localStorage.removeItem('token','x');k={tokenKey:'auth_token'}"),
    "HTML form": _body('<label for="password">Password</label><input type="password" name="password" value="">'),
    "HTML placeholder": _body('<input type="password" name="p" placeholder="Your password" autocomplete="off">'),
    "CSV header": _body("column,description\npassword,The login password\ntoken,A token\n", "text/csv"),
    "query of a search": _url("https://h.example/search?q=password+reset+token&code=en&pin=a1"),
    "pagination": _json({"nextPageToken": "CAUQAA", "page_token": "abc123", "continuationToken": "x1y2"}),
}


def left(redactor: Redactor, one: Planted) -> bool:
    """Whether a planted secret shows in what the redactor makes of its element."""
    new = redactor.entry(one.element)
    shown = "\n".join((*texts_in(new), json.dumps(new, ensure_ascii=False)))
    # A shape's prefix and suffix may stay; what is random may not.
    return one.secret in shown or (len(one.secret) > 40 and one.secret[-24:-4] in shown)


def main() -> int:
    """Print what is left and what is changed."""
    redactor = Redactor(key=b"recall")
    places, remaining = 0, 0
    names = list(SHAPES)
    for one in planted():
        places += 1
        if left(redactor, one):
            remaining += 1
            what = names[one.number] if one.kind == "token shapes" else json.dumps(one.element, ensure_ascii=False)
            sys.stdout.write(f"left: {one.kind}: {what[:160]}\n")
    changed = [name for name, element in ORDINARY.items() if redactor.entry(element) is not element]
    for name in changed:
        new = json.dumps(redactor.entry(ORDINARY[name]), ensure_ascii=False)
        sys.stdout.write(f"changed: {name}: {new}\n")
    sys.stdout.write(f"left {remaining} of {places}, changed {len(changed)} of {len(ORDINARY)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
