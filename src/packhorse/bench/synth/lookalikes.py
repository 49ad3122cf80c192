"""What redaction has to look at in scripts and pages: words for secrets, and now and then a secret.

Recorded browser captures have about 11 words such as ``password``, ``token`` and ``session`` a MB in scripts and 65 in
pages (12 recorded captures, 2.1 MB of scripts). Most are names, labels and calls without any secret behind them, and
each costs redaction a decision. Generated text had none, so that redaction looked cheaper on it than it is.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

from packhorse.bench.synth.draws import Draws

#: Of a script's 900 forms and of a page's 600, as many as give the rates above.
IN_SCRIPTS, IN_PAGES = 2, 6
_SCRIPTS = (
    "if(\1.token)\1.\2(\1.token);",
    '\1.password=\1.\2("password");',
    'return "\2"===\1.type||"password"===\1.type;',
    '\1.headers["X-CSRF-Token"]=\1.\2;',
    '\1.credentials=\1.\2?"include":"same-origin";',
    'var \1=\1.sessionStorage.\2("\2");',
    'this.accessToken="{token}";',
    'window.\2={{"session":"{token}","user":{{"id":\3,"idToken":"{jwt}"}}}};',
)
_PAGES = (
    '<input type="hidden" name="csrf_token" value="{token}">\n',
    '<input type="password" name="password" placeholder="\2">\n',
    '<a class="\2" href="/\2/password/reset">\1 \2</a>\n',
    '<meta name="csrf-token" content="{token}">\n',
    '<script>window.\2={{"token":"{token}","\2":\3}};</script>\n',
    '<label for="\2-password">\1 \2</label>\n',
    '<img src="/\2/\2.png?signature={token}" alt="\2">\n',
)


def among_scripts(forms: list[str]) -> list[str]:
    """A script's forms, some of them replaced."""
    return _mixed(forms, _SCRIPTS, IN_SCRIPTS)


def among_pages(forms: list[str]) -> list[str]:
    """A page's forms, some of them replaced."""
    return _mixed(forms, _PAGES, IN_PAGES)


def _mixed(forms: list[str], idioms: tuple[str, ...], count: int) -> list[str]:
    # Draws of its own, seeded by the language: all other text stays as it is without them.
    draws = Draws(f"packhorse-synth/lookalikes/{forms[0]}/{forms[-1]}")
    places = {draws.below(len(forms)): _filled(draws, draws.pick(idioms)) for _ in range(count)}
    return [places.get(number, text) for number, text in enumerate(forms)]


def _filled(draws: Draws, text: str) -> str:
    if "{" not in text or not ("{token}" in text or "{jwt}" in text):
        return text
    claims = f'{{"sub":"{draws.below(10**8)}","iat":1714{draws.below(10**6):06d}}}'.encode()
    body = urlsafe_b64encode(claims).decode().rstrip("=")
    jwt = f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{body}.{draws.token(43)}"
    return text.format(token=draws.token(32), jwt=jwt)
