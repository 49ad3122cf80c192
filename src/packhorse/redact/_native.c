/* What redaction does most often, compiled. Optional: without it the Python code beside it finds the same, more slowly.
 *
 * scan()    finds what a scan looks for: words by _native_find.h, and what is rare but costs an automaton much to look for:
 *           cards, letters written as escapes, user:password@. Of these it tells only those places that the deciders in
 *           tokens.py and named.py do not turn down at once.
 * decide()  decides the commonest hits: headers and lists of cookies as our encoders write them, and names that turn out
 *           not to be secret. It stops at the first hit that is anything else.
 * splice()  puts a text together again, with its edits.
 *
 * Everything is read within the bounds of a bytes object, which ends with a zero of its own. Each byte is looked at a
 * bounded number of times. The stable ABI is used, so that one build serves every CPython from 3.11 on.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BITS 10
#define BLOCK 2048
#define LONGEST_NAME 120
#define LONGEST_HARMLESS 16
#define USERINFO_BYTES 520

typedef unsigned char byte;

/* ---- bytes ---- */

static int is_digit(byte c) { return (byte)(c - '0') < 10; }
static int is_letter(byte c) { return (byte)((c | 32) - 'a') < 26; }
static int is_space(byte c) { return c == ' ' || (byte)(c - 9) < 5; }

/* Classes of bytes: what the tail of a name in patterns.py holds, what separates its words, what tokens are made of, the rest of a
 * name in named.py, and what ends user:password. */
enum { IN_TAIL = 1, IN_SEPARATOR = 2, IN_TOKEN = 4, IN_REST = 8, ENDS_USERINFO = 16 };
static byte class_of[256];
static signed char hex_of[256];

static void fill_classes(void) {
    for (int c = 0; c < 256; c++) {
        byte b = (byte)c;
        int word = is_letter(b) || is_digit(b);
        class_of[c] = (byte)((word || (c && strchr("-_.[]", c)) ? IN_TAIL : 0) | (c && strchr("-_. [])", c) ? IN_SEPARATOR : 0)
                             | (word || c == '-' || c == '_' ? IN_TOKEN : 0) | (word || (c && strchr("_.~[]-", c)) ? IN_REST : 0)
                             | (c && (is_space(b) || strchr("/\\\"'<>@?#", c)) ? ENDS_USERINFO : 0));
        hex_of[c] = (signed char)(is_digit(b) ? c - '0' : (byte)((c | 32) - 'a') < 6 ? (c | 32) - 'a' + 10 : -1);
    }
}

static int is_hex(byte c) { return hex_of[c] >= 0; }

/* Two hexadecimal digits as a number; negative when they are none. */
static int hex_pair(const byte *p) { return hex_of[p[0]] * 16 | hex_of[p[1]]; }

/* patterns.py, _PLAIN_HEX: letters, digits, - . _ */
static int is_plain(int c) { return c >= 0 && (is_digit((byte)c) || is_letter((byte)c) || c == '-' || c == '.' || c == '_') && c < 128; }

/* named.py, _NAME_REST: what an escape within a name may mean. */
static int is_named(int c) { return c == 0x2d || c == 0x2e || (c >= 0x30 && c < 0x80); }
static int is_named_percent(int c) { return c == 0x2d || c == 0x2e || (c >= 0x30 && c < 0x3a) || (c >= 0x40 && c < 0x80); }

/* Part of a text that was read already, and whether up to its end. */
typedef struct {
    Py_ssize_t start, end;
    int ended;
} Run;

/* What is looked for begins between start and stop. Nothing is told that reaches out of low to limit. */
typedef struct {
    const byte *data;
    Py_ssize_t length, low, start, stop, limit;
    long card, escaped, userinfo;
    Py_ssize_t rest_end; /* up to where the last name with an escape in it was read, and whether a sign follows */
    int rest_sign;
    Run tail, token;
    PyObject *hits, *maybe;
} Search;

static int tell_in(PyObject *list, Py_ssize_t at, long number) {
    PyObject *hit = PyLong_FromSsize_t((at << NUMBER_BITS) | number);
    int failed = hit == NULL ? -1 : PyList_Append(list, hit);
    Py_XDECREF(hit);
    return failed;
}

static int tell(Search *s, Py_ssize_t end, long number) {
    return number < 0 || end > s->limit ? 0 : tell_in(s->hits, end, number);
}

/* ---- cards ---- */

static int luhn(const byte *digits, Py_ssize_t length) {
    int sum = 0;
    for (Py_ssize_t i = 0; i < length; i++) {
        int digit = digits[length - 1 - i] - '0';
        if (i & 1) digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
        sum += digit;
    }
    return sum % 10 == 0;
}

/* cards.py, is_card */
static int is_card(const byte *digits, Py_ssize_t length) {
    int two = (digits[0] - '0') * 10 + digits[1] - '0', known = 0;
    switch (digits[0]) {
    case '4': known = length == 13 || length == 16 || length == 18 || length == 19; break;
    case '5': known = length == 16 || two == 50 || (two >= 56 && two <= 58); break;
    case '2': known = two >= 22 && two <= 27 && length == 16; break;
    case '6': known = 1; break;
    case '3':
        known = two == 34 || two == 37 ? length == 15
              : (two == 30 || two == 35 || two == 36 || two == 38 || two == 39) && length >= 14;
        break;
    }
    return known && luhn(digits, length);
}

/* patterns.py, CARD_BEFORE: whether a card may begin at a place. */
static int may_begin(const Search *s, Py_ssize_t at) {
    const byte *p = s->data + at;
    if (at == 0) return 1;
    if (strchr("\"'`=:> ,([{/-+;|#*&\n\t", p[-1]) != NULL && p[-1] != 0) return 1;
    if (at >= 2 && p[-2] == '\\') return p[-1] == 'n' || p[-1] == 'r' || p[-1] == 't';
    return at >= 3 && p[-3] == '%'
        && ((p[-2] == '2' && (p[-1] == '0' || p[-1] == '2')) || (p[-2] == '3' && (p[-1] == 'A' || p[-1] == 'D')));
}

static Py_ssize_t digits_end(const Search *s, Py_ssize_t at) {
    while (at < s->length && is_digit(s->data[at])) at++;
    return at;
}

/* Digits from a place where a card may begin to the end of their run. */
static int look_at_card(Search *s, Py_ssize_t at, Py_ssize_t end) {
    byte behind = s->data[end];
    if (end - at < 13 || end - at > 19 || is_hex(behind) || behind == '_') return 0;
    if (!may_begin(s, at) || !is_card(s->data + at, end - at)) return 0;
    return tell(s, at + 13, s->card);
}

/* A run of at least 13 digits that begins at a place. */
static int look_at_run(Search *s, Py_ssize_t at) {
    Py_ssize_t end = digits_end(s, at);
    if (look_at_card(s, at, end)) return -1;
    /* Behind an escape that ends with digits: %20, %22. */
    return at > 0 && s->data[at - 1] == '%' ? look_at_card(s, at + 2, end) : 0;
}

/* Four digits, a sign at a place, and perhaps more digits. */
static int look_at_groups(Search *s, Py_ssize_t at) {
    const byte *p = s->data;
    byte mark = p[at];
    if (mark == ' ' || mark == '-' || mark == '+') {
        Py_ssize_t second = digits_end(s, at + 1), size = second - at - 1;
        if ((size == 4 || size == 6) && p[second] == mark && digits_end(s, second + 1) - second - 1 >= 4)
            return tell(s, second + 5, s->card);
    } else if (mark == '%' && s->length - at > 3 && p[at + 1] == '2' && p[at + 2] == '0') {
        if (digits_end(s, at + 3) - at - 3 >= 4) return tell(s, at + 7, s->card);
    } else if (mark == '\\' && s->length - at > 6 && memcmp(p + at, "\\u0020", 6) == 0) {
        if (digits_end(s, at + 6) - at - 6 >= 4) return tell(s, at + 10, s->card);
    }
    return 0;
}

/* ---- letters written as escapes ---- */

static Py_ssize_t behind_25(const Search *s, Py_ssize_t at) {
    while (s->length - at >= 2 && s->data[at] == '2' && s->data[at + 1] == '5') at += 2;
    return at;
}

/* named.py, _NAME_REST: whether a sign follows the rest of a name. */
static int sign_follows(Search *s, Py_ssize_t at) {
    const byte *p = s->data;
    Py_ssize_t length = s->length;
    if (at <= s->rest_end) return s->rest_sign;
    for (;;) {
        while (at < length && class_of[p[at]] & IN_REST) at++;
        if (at >= length) break;
        if (p[at] == '\\') {
            Py_ssize_t next = at;
            while (next < length && p[next] == '\\') next++;
            if (length - next >= 5 && (p[next] | 32) == 'u' && p[next + 1] == '0' && p[next + 2] == '0'
                && is_named(hex_pair(p + next + 3))) {
                at = next + 5;
                continue;
            }
            s->rest_end = next;
            return s->rest_sign = next < length && (p[next] == '"' || p[next] == '\'');
        }
        if (p[at] == '%') {
            Py_ssize_t next = behind_25(s, at + 1);
            int meant = length - next >= 2 ? hex_pair(p + next) : -1;
            if (is_named_percent(meant)) {
                at = next + 2;
                continue;
            }
            s->rest_end = at;
            return s->rest_sign = meant == 0x3d || meant == 0x22 || meant == 0x27 || meant == 0x3a;
        }
        s->rest_end = at;
        return s->rest_sign = p[at] == '"' || p[at] == '\'' || p[at] == '=';
    }
    s->rest_end = at;
    return s->rest_sign = 0;
}

static int look_at_percent(Search *s, Py_ssize_t at) {
    Py_ssize_t next = behind_25(s, at + 1);
    if (s->length - next < 2 || !is_plain(hex_pair(s->data + next)) || !sign_follows(s, next + 2)) return 0;
    return tell(s, next + 2, s->escaped);
}

static int look_at_escape(Search *s, Py_ssize_t at) {
    if (at >= 4 && s->data[at - 1] != '\\' && digits_end(s, at - 4) == at && look_at_groups(s, at)) return -1;
    if (s->length - at < 6 || memcmp(s->data + at, "\\u00", 4) != 0 || !is_plain(hex_pair(s->data + at + 4)) || !sign_follows(s, at + 6)) return 0;
    return tell(s, at + 6, s->escaped);
}

/* ---- user:password@ ---- */

static int ends_userinfo(byte c) { return class_of[c] & ENDS_USERINFO; }

/* tokens.py, _USERINFO: from an @ back to // with a colon between. */
static int look_at_at(Search *s, Py_ssize_t at) {
    const byte *p = s->data;
    Py_ssize_t low = at > USERINFO_BYTES ? at - USERINFO_BYTES : 0, i = at - 1;
    byte next = p[at + 1];
    int colon = 0;
    if (at == 0 || ends_userinfo(p[i]) || p[i] == ':') return 0;
    if (!(is_letter(next) || is_digit(next) || next == '[' || next == '_' || next == '%' || next >= 128)) return 0;
    while (i >= low && !ends_userinfo(p[i])) colon |= p[i--] == ':';
    if (i < low || !colon || p[i] != '/') return 0;
    return tell(s, at + 2, s->userinfo);
}

/* ---- all of them in one pass ---- */

enum { RUN = 1, GROUPS = 2, AT = 4, PERCENT = 8, ESCAPE = 16 };
#define AHEAD 16 /* bytes behind a place that its flags depend on */

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define WIDEST __attribute__((target_clones("avx2", "default")))
#else
#define WIDEST
#endif

/* 32 bytes at once, in the vectors of GCC and Clang. A comparison gives 255 where it is true. */
#define LANES 32
typedef byte lanes __attribute__((vector_size(LANES), aligned(1), may_alias));
#define BEFORE 4 /* bytes before a block that its flags depend on */
#define BUFFER (BEFORE + BLOCK + AHEAD + 2 * LANES)

typedef struct {
    const byte *text; /* of BUFFER bytes, the block begins behind BEFORE */
    byte copy[BUFFER], digit[BUFFER], four[BUFFER];
    byte flags[BLOCK];
    unsigned long long any[BLOCK / LANES];
} Block;

#define AT_(p) (*(const lanes *)(p))
/* Which byte in memory is the first that is not zero, and by how many bits it is shifted in a number of eight. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST_BYTE(eight) (__builtin_ctzll(eight) / 8)
#define BYTE_SHIFT(index) (8 * (index))
#else
#define FIRST_BYTE(eight) (__builtin_clzll(eight) / 8)
#define BYTE_SHIFT(index) (56 - 8 * (index))
#endif

/* Flags of a block of bytes, and whether there are any in each LANES of them: RUN where 13 digits begin, GROUPS where
 * something stands between four digits and four more. */
WIDEST static void flag(Block *b) {
    for (int i = 0; i < BEFORE + BLOCK + AHEAD; i += LANES) *(lanes *)(b->digit + i) = (lanes)((AT_(b->text + i) - '0') < 10);
    for (int i = 0; i < BEFORE + BLOCK + AHEAD; i += LANES) {
        const byte *digit = b->digit + i;
        *(lanes *)(b->four + i) = AT_(digit) & AT_(digit + 1) & AT_(digit + 2) & AT_(digit + 3);
    }
    for (int i = 0; i < BLOCK; i += LANES) {
        const byte *four = b->four + BEFORE + i, *digit = b->digit + BEFORE + i, *p = b->text + BEFORE + i;
        const lanes c = AT_(p);
        const lanes run = AT_(four) & AT_(four + 4) & AT_(four + 8) & AT_(digit + 12) & ~AT_(digit - 1);
        const lanes groups = AT_(four - 4) & ~AT_(digit) & (AT_(four + 1) | AT_(four + 3));
        const lanes flags = (run & RUN) | (groups & GROUPS) | ((lanes)(c == '@') & AT) | ((lanes)(c == '%') & PERCENT)
                          | ((lanes)(c == '\\') & (lanes)(AT_(p + 1) == 'u') & ESCAPE);
        unsigned long long part[LANES / 8];
        *(lanes *)(b->flags + i) = flags;
        memcpy(part, &flags, LANES);
        b->any[i / LANES] = part[0] | part[1] | part[2] | part[3];
    }
}

static int look(Search *s, Py_ssize_t at, byte what) {
    if (what & RUN && look_at_run(s, at)) return -1;
    if (what & GROUPS && look_at_groups(s, at)) return -1;
    if (what & AT && look_at_at(s, at)) return -1;
    if (what & PERCENT && look_at_percent(s, at)) return -1;
    return what & ESCAPE ? look_at_escape(s, at) : 0;
}

/* The places of a few bytes that have flags. */
static int look_at_all(Search *s, Py_ssize_t at, const byte *flags, Py_ssize_t count) {
    for (int i = 0; i < LANES; i += 8) {
        unsigned long long eight;
        memcpy(&eight, flags + i, 8);
        while (eight != 0) {
            int j = i + FIRST_BYTE(eight);
            if (j < count && look(s, at + j, flags[j])) return -1;
            eight &= ~((unsigned long long)0xff << BYTE_SHIFT(j - i));
        }
    }
    return 0;
}

#include "_native_find.h"

/* A block that begins at a place: where it stands, or a copy with zeros around it near the ends of the text. */
static void read_block(Block *b, const Search *s, Py_ssize_t at) {
    Py_ssize_t before = at < BEFORE ? at : BEFORE, left = s->length - at, size = left < BUFFER - BEFORE ? left : BUFFER - BEFORE;
    if (before == BEFORE && size == BUFFER - BEFORE) {
        b->text = s->data + at - BEFORE;
        return;
    }
    memset(b->copy, 0, BUFFER);
    memcpy(b->copy + BEFORE - before, s->data + at - before, (size_t)(before + size));
    b->text = b->copy;
}

static int search(Search *s, const Finder *f) {
    Block b;
    for (Py_ssize_t at = s->start; at < s->stop; at += BLOCK) {
        Py_ssize_t count = s->stop - at < BLOCK ? s->stop - at : BLOCK;
        read_block(&b, s, at);
        flag(&b);
        for (Py_ssize_t i = 0; i < count; i += LANES)
            if (b.any[i / LANES] && look_at_all(s, at + i, b.flags + i, count - i)) return -1;
        if (f != NULL && find(s, f, b.text + BEFORE, at, (int)count)) return -1;
    }
    return 0;
}

PyDoc_STRVAR(scan_doc,
"scan(finder, data, low, start, stop, limit, card, escaped, userinfo) -> tuple[list[int], list[int]]\n\n"
"Hits that begin between two places, as Scan.hits tells them, not in order; and words that have to be looked at, by where they\n"
"begin. The last three are numbers of patterns. Without a finder only these are looked for.");

static PyObject *scan(PyObject *module, PyObject *args) {
    Search s = {0};
    PyObject *data, *capsule;
    const Finder *f;
    char *text;
    if (!PyArg_ParseTuple(args, "OSnnnnlll", &capsule, &data, &s.low, &s.start, &s.stop, &s.limit, &s.card, &s.escaped, &s.userinfo))
        return NULL;
    f = capsule == Py_None ? NULL : PyCapsule_GetPointer(capsule, NULL);
    if ((f == NULL && capsule != Py_None) || PyBytes_AsStringAndSize(data, &text, &s.length) < 0) return NULL;
    s.data = (const byte *)text;
    if (s.low < 0 || s.start < s.low || s.stop > s.limit || s.limit > s.length) {
        PyErr_SetString(PyExc_ValueError, "places must lie within the text, in order");
        return NULL;
    }
    s.hits = PyList_New(0);
    s.maybe = PyList_New(0);
    if (s.hits != NULL && s.maybe != NULL && !search(&s, f)) return Py_BuildValue("NN", s.hits, s.maybe);
    Py_XDECREF(s.hits);
    Py_XDECREF(s.maybe);
    return NULL;
}

static int is_base64(byte c) { return is_letter(c) || is_digit(c) || c == '+' || c == '/' || c == '='; }

WIDEST static Py_ssize_t base64_lanes(const byte *p, Py_ssize_t size) {
    Py_ssize_t at = 0;
    for (; at + 4 * LANES <= size; at += 4 * LANES) {
        lanes all = {0};
        unsigned long long part[LANES / 8];
        for (int i = 0; i < 4 * LANES; i += LANES) {
            const lanes c = AT_(p + at + i);
            all |= ~((lanes)(((c | 32) - 'a') < 26) | (lanes)((c - '0') < 10) | (lanes)(c == '+') | (lanes)(c == '/') | (lanes)(c == '='));
        }
        memcpy(part, &all, LANES);
        if (part[0] | part[1] | part[2] | part[3]) break;
    }
    return at;
}

PyDoc_STRVAR(only_base64_doc, "only_base64(text) -> bool\n\nWhether a text holds nothing but the characters of base64.");

static PyObject *only_base64(PyObject *module, PyObject *text) {
    Py_buffer view;
    Py_ssize_t at;
    int all;
    if (PyObject_GetBuffer(text, &view, PyBUF_SIMPLE)) return NULL;
    at = base64_lanes(view.buf, view.len);
    while (at < view.len && is_base64(((const byte *)view.buf)[at])) at++;
    all = at == view.len;
    PyBuffer_Release(&view);
    return PyBool_FromLong(all);
}

/* ---- deciding ---- */

/* patterns.py, Kind: those that are decided here. */
enum { NAME = 1, COOKIES = 3, ITEM = 4, TABLE = 10 };
/* What has become of a hit. */
enum { FAILED = -1, OPEN, DECIDED };

#define LIST_BYTES 16384
#define RECENT 8
#define RULES 5 /* header, query, form, cookie, and one to spare */

typedef struct {
    const byte *data;
    Py_ssize_t length, done, read_to;
    /* Names of rules, made once. */
    struct {
        const char *text;
        PyObject *made;
    } rules[RULES];
    PyObject *work, *edits, *anywhere, *param, *books[3], *lists, *counts, *seen, *nothing;
    /* Lists that were met of late: one that comes again is known by a comparison, which a hash of it takes ten times as long. */
    struct {
        Py_ssize_t at, size;
        int place;
        PyObject *known;
    } recent[RECENT];
    unsigned met;
} Text;

#define LABEL_BYTES 64
#define STARTS(t, at, literal)                                                                                            \
    ((at) >= 0 && (t)->length - (at) >= (Py_ssize_t)sizeof(literal) - 1                                                   \
     && memcmp((t)->data + (at), literal, sizeof(literal) - 1) == 0)
#define SIZE(literal) ((Py_ssize_t)sizeof(literal) - 1)

/* 1 when a name is in a book of secret ones, -1 for an error. */
static int is_secret(PyObject *book, const byte *name, Py_ssize_t size) {
    PyObject *key = PyBytes_FromStringAndSize((const char *)name, size), *secret;
    int answer;
    if (key == NULL) return -1;
    secret = PyObject_GetItem(book, key);
    Py_DECREF(key);
    if (secret == NULL) return -1;
    answer = PyObject_IsTrue(secret);
    Py_DECREF(secret);
    return answer;
}

static int append(PyObject *list, PyObject *item) {
    int failed = item == NULL ? -1 : PyList_Append(list, item);
    Py_XDECREF(item);
    return failed;
}

static int add(Text *t, PyObject *edit, Py_ssize_t end) {
    if (append(t->edits, edit)) return FAILED;
    if (end > t->done) t->done = end;
    return DECIDED;
}

/* The name of a rule: borrowed. */
static PyObject *rule_of(Text *t, const char *rule) {
    int i = 0;
    while (i < RULES - 1 && t->rules[i].made != NULL && strcmp(t->rules[i].text, rule) != 0) i++;
    if (t->rules[i].made == NULL) {
        t->rules[i].text = rule;
        t->rules[i].made = PyUnicode_InternFromString(rule);
    }
    return t->rules[i].made;
}

static PyObject *edit_of(Text *t, Py_ssize_t start, Py_ssize_t end, const byte *secret, Py_ssize_t size, const char *rule) {
    PyObject *first = PyLong_FromSsize_t(start), *last = PyLong_FromSsize_t(end), *edit = NULL;
    PyObject *text = PyBytes_FromStringAndSize((const char *)secret, size), *name = rule_of(t, rule);
    if (first != NULL && last != NULL && text != NULL && name != NULL) edit = PyTuple_Pack(5, first, last, text, name, t->nothing);
    Py_XDECREF(first);
    Py_XDECREF(last);
    Py_XDECREF(text);
    return edit;
}

/* work.py, Work.replace: 1 for what may be replaced, 0 for a word that is no secret, -1 for what Python has to look at. */
static int replaceable(const byte *secret, Py_ssize_t size) {
    static const char *const words[] = {"true", "false", "null", "none", "undefined", "include", "omit", "same-origin", "*"};
    char lower[LONGEST_HARMLESS + 1];
    if (size == 0) return 0;
    if (secret[0] == '[' || is_space(secret[0])) return -1;
    if (size > LONGEST_HARMLESS) return 1;
    for (Py_ssize_t i = 0; i < size; i++) {
        if (secret[i] <= ' ' || secret[i] >= 128) return -1;
        lower[i] = (char)(secret[i] >= 'A' && secret[i] <= 'Z' ? secret[i] | 32 : secret[i]);
    }
    lower[size] = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(lower, words[i]) == 0) return 0;
    return 1;
}

/* Where a string ends that holds no escape; -1 when it does, or has no end. */
static Py_ssize_t simple_end(const Text *t, Py_ssize_t at) {
    for (; at < t->length; at++) {
        if (t->data[at] == '"') return at;
        if (t->data[at] == '\\') return -1;
    }
    return -1;
}

#define LONGEST_ESCAPED 4096

/* The value of a secret header with escapes in it: what it means takes part in the marker. */
static int hide_escaped(Text *t, Py_ssize_t start) {
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const byte *p = t->data;
    byte meant[LONGEST_ESCAPED];
    Py_ssize_t at = start, size = 0;
    for (; at < t->length && p[at] != '"'; at++) {
        const char *escape;
        if (size >= LONGEST_ESCAPED || p[at] < ' ' || p[at] >= 128) return OPEN;
        if (p[at] != '\\') {
            meant[size++] = p[at];
            continue;
        }
        if (++at >= t->length || p[at] == 0 || (escape = strchr(escapes, p[at])) == NULL) return OPEN;
        meant[size++] = (byte)meanings[escape - escapes];
    }
    if (at >= t->length || size <= LONGEST_HARMLESS || replaceable(meant, size) != 1) return OPEN;
    return add(t, edit_of(t, start, at, meant, size, "header"), at);
}

/* items.py, header_item, for a secret header: its value is replaced. */
static int hide_header(Text *t, Py_ssize_t at) {
    Py_ssize_t stop = simple_end(t, at);
    int which = stop < 0 ? -1 : replaceable(t->data + at, stop - at);
    if (stop < 0) return hide_escaped(t, at);
    if (which <= 0) return which < 0 ? OPEN : DECIDED;
    return add(t, edit_of(t, at, stop, t->data + at, stop - at, "header"), stop);
}

/* A name in quotes, the closing one of which stands before a place. Nothing is secret where the name is not. */
static int decide_quoted(Text *t, Py_ssize_t end) {
    const byte *p = t->data;
    Py_ssize_t low = end > LONGEST_NAME ? end - LONGEST_NAME : 0, start = end - 2;
    int secret;
    while (start >= low && p[start] != '"') start--;
    if (start < low + 1 || p[start - 1] == '\\' || p[start - 1] == '=') return OPEN;
    secret = is_secret(t->anywhere, p + start + 1, end - start - 2);
    if (secret <= 0) return secret < 0 ? FAILED : DECIDED;
    if (!STARTS(t, end, ",\"value\":\"") || !STARTS(t, start - SIZE("\"name\":"), "\"name\":")) return OPEN;
    return hide_header(t, end + SIZE(",\"value\":\""));
}

static int in_param(byte c) { return is_letter(c) || is_digit(c) || c >= 128 || (c && strchr("_$-.[]%~+@", c) != NULL); }

#define URL_BYTES 256

/* A value that no rule about words, placeholders or scripts could spare: it begins with a letter or digit and holds a digit. */
static int is_plain_value(const byte *value, Py_ssize_t size) {
    int digits = 0;
    if (size < 4 || !(is_letter(value[0]) || is_digit(value[0]))) return 0;
    for (Py_ssize_t i = 0; i < size; i++) {
        if (value[i] == '%' || value[i] == '+' || value[i] == '\\' || value[i] >= 128) return 0;
        digits |= is_digit(value[i]);
    }
    return digits;
}

/* params.py, _hide_param, for a plain value of a URL with a path. */
static int hide_param(Text *t, Py_ssize_t start, Py_ssize_t end) {
    const byte *p = t->data;
    Py_ssize_t low = start > URL_BYTES ? start - URL_BYTES : 0, run = start, stop = end;
    int slash = 0, query = start && (p[start - 1] == '?' || p[start - 1] == '#');
    for (; run > low && p[run - 1] > 32 && strchr("\"'`<>(){}", p[run - 1]) == NULL; run--) {
        slash |= p[run - 1] == '/';
        query |= p[run - 1] == '?' || p[run - 1] == '#';
    }
    if (!slash) return OPEN;
    while (stop < t->length && p[stop] && !is_space(p[stop]) && strchr("&;\"'`<>\\", p[stop]) == NULL) stop++;
    if (stop >= t->length || p[stop] == 0 || strchr("'`<>\\", p[stop]) != NULL) return OPEN;
    if (!is_plain_value(p + end, stop - end)) return OPEN;
    return add(t, edit_of(t, end, stop, p + end, stop - end, query ? "query" : "form"), stop);
}

/* params.py, decide_equals */
static int decide_equals(Text *t, Py_ssize_t end) {
    const byte *p = t->data;
    Py_ssize_t at = end - 1, start, low;
    int param, anywhere;
    if (STARTS(t, end - SIZE(" value="), " value=")) return OPEN;
    at -= p[at - 1] == ' ';
    low = at > LONGEST_NAME ? at - LONGEST_NAME : 0;
    for (start = at; start > low && in_param(p[start - 1]); start--)
        if (p[start - 1] == '%') return OPEN;
    if (start && p[start - 1] == '\\' && start < at && (p[start] == 'n' || p[start] == 'r' || p[start] == 't')) start++;
    if ((param = is_secret(t->param, p + start, at - start)) < 0) return FAILED;
    if (param) return at == end - 1 ? hide_param(t, start, end) : OPEN;
    if ((anywhere = is_secret(t->anywhere, p + start, at - start)) < 0) return FAILED;
    return anywhere ? OPEN : DECIDED;
}

static int is_percent(const Text *t, Py_ssize_t at, const char *codes) {
    int code = at >= 0 && t->length - at >= 3 && t->data[at] == '%' ? hex_pair(t->data + at + 1) : -1;
    return code > 0 && strchr(codes, code) != NULL;
}

/* params.py, decide_encoded_equals, one layer deep: %26name%3D and a value without percent signs. */
static int decide_encoded_equals(Text *t, Py_ssize_t end) {
    const byte *p = t->data;
    Py_ssize_t at = end - 3, low = at > LONGEST_NAME - 4 ? at - LONGEST_NAME + 4 : 0, start = at, stop = end;
    int secret;
    if (!is_percent(t, at, "=")) return OPEN;
    while (start > low && (is_letter(p[start - 1]) || is_digit(p[start - 1]) || p[start - 1] == '_' || p[start - 1] == '-')) start--;
    if (start == 0 || !is_percent(t, start - 1, "&?#;") || start + 2 > at) return OPEN;
    start += 2;
    if ((secret = is_secret(t->param, p + start, at - start)) <= 0) return secret < 0 ? FAILED : DECIDED;
    while (stop < t->length && p[stop] && !is_space(p[stop]) && strchr("&;\"'<>\\%", p[stop]) == NULL) stop++;
    if (stop >= t->length || p[stop] == 0 || (p[stop] == '%' && !is_percent(t, stop, "&;<> \"#'\n\r"))) return OPEN;
    if (!is_plain_value(p + end, stop - end)) return OPEN;
    return add(t, edit_of(t, end, stop, p + end, stop - end, "query"), stop);
}

/* Where the value of a member ends that is a string without escapes, a number or a word; -1 for anything else. */
static Py_ssize_t scalar_end(const Text *t, Py_ssize_t at) {
    Py_ssize_t start = at;
    if (at < t->length && t->data[at] == '"') return (at = simple_end(t, at + 1)) < 0 ? -1 : at + 1;
    while (at < t->length && t->data[at] > 32 && strchr("\"[]{},:\\", t->data[at]) == NULL) at++;
    return at > start ? at : -1;
}

/* Places whose lists are read here, and the names of them in Python. */
enum { QUERY, FORM, COOKIE, PLACES };
static const char *const PLACE_NAMES[PLACES] = {"query", "form", "cookie"};

/* items.py, plain_items: whether what stands under a secret name in a list is a secret. -1: Python has to look at it. */
static int is_listed_secret(Text *t, int place, const byte *name, Py_ssize_t size, const byte *value, Py_ssize_t length) {
    int secret = length == 0 ? 0 : is_secret(t->books[place], name, size), anywhere;
    if (secret <= 0) return secret < 0 ? -2 : 0;
    if (place != COOKIE && !is_plain_value(value, length)) {
        anywhere = is_secret(t->anywhere, name, size);
        if (anywhere <= 0) return anywhere < 0 ? -2 : -1;
    }
    return replaceable(value, length);
}

/* items.py, plain_items, for a list that is new. */
static int read_list(Text *t, int place, Py_ssize_t first, Py_ssize_t end) {
    PyObject *found = PyList_New(0), *noted;
    Py_ssize_t at = first, name, name_end, value, stop, last = 0;
    const byte *p = t->data;
    int result = found == NULL ? FAILED : OPEN, which;
    while (result == OPEN) {
        if (!STARTS(t, at, "{\"name\":\"")) break;
        name = at + SIZE("{\"name\":\"");
        name_end = simple_end(t, name);
        if (name_end < 0 || !STARTS(t, name_end, "\",\"value\":\"")) break;
        value = name_end + SIZE("\",\"value\":\"");
        stop = simple_end(t, value);
        if (stop < 0) break;
        which = is_listed_secret(t, place, p + name, name_end - name, p + value, stop - value);
        if (which == -1) break;
        if (which == -2 || (which && append(found, edit_of(t, value, stop, p + value, stop - value, PLACE_NAMES[place])))) {
            result = FAILED;
            break;
        }
        if (which) last = stop;
        at = stop + 1;
        while (STARTS(t, at, ",\"") && (stop = simple_end(t, at + 2)) >= 0 && STARTS(t, stop, "\":")
               && (stop = scalar_end(t, stop + 2)) >= 0) at = stop;
        if (!STARTS(t, at, "}")) break;
        if (++at == end - 1) {
            noted = PyObject_CallMethod(t->work, "read_list", "snnO", PLACE_NAMES[place], first, end, found);
            result = noted == NULL ? FAILED : DECIDED;
            Py_XDECREF(noted);
            if (last > 0) t->read_to = end;
            if (last > t->done) t->done = last;
            break;
        }
        if (!STARTS(t, at, ",")) break;
        at++;
    }
    Py_XDECREF(found);
    return result;
}

/* A list that came before is replaced whole by what is known of it. */
static int replace_list(Text *t, int place, Py_ssize_t at, Py_ssize_t end, PyObject *known) {
    PyObject *text = PyObject_GetAttrString(known, "text"), *edits = PyObject_GetAttrString(known, "edits");
    PyObject *key = PyUnicode_FromString(PLACE_NAMES[place]), *count = NULL, *found = NULL, *sum = NULL;
    int result = FAILED;
    if (text == NULL || edits == NULL || key == NULL) goto end;
    if (PyObject_Size(edits) == 0 || text == Py_None) {
        result = text == Py_None && PyObject_Size(edits) != 0 ? OPEN : DECIDED;
        goto end;
    }
    count = PyObject_GetItem(t->counts, key);
    found = PyLong_FromSsize_t(PyObject_Size(edits));
    if (count == NULL || found == NULL || (sum = PyNumber_Add(count, found)) == NULL) goto end;
    if (PyObject_SetItem(t->counts, key, sum) == 0) result = add(t, Py_BuildValue("nnOsO", at, end, Py_None, "", text), end);
end:
    Py_XDECREF(text);
    Py_XDECREF(edits);
    Py_XDECREF(key);
    Py_XDECREF(count);
    Py_XDECREF(found);
    Py_XDECREF(sum);
    return result;
}

/* items.py, plain_items: a list of items as our encoders write them, the first of which begins at a place. */
static int decide_list(Text *t, int place, Py_ssize_t at) {
    const byte *p = t->data;
    Py_ssize_t end, high = t->length - at < LIST_BYTES ? t->length : at + LIST_BYTES;
    PyObject *key, *known;
    if (t->lists == Py_None) return OPEN;
    for (int i = 0; i < RECENT; i++)
        if (t->recent[i].known != NULL && t->recent[i].place == place && t->length - at >= t->recent[i].size
            && memcmp(p + at, p + t->recent[i].at, (size_t)t->recent[i].size) == 0)
            return replace_list(t, place, at, at + t->recent[i].size, t->recent[i].known);
    for (end = at; end + 1 < high && !(p[end] == '}' && p[end + 1] == ']'); end++) {}
    if (end + 1 >= high) return OPEN;
    end += 2;
    key = Py_BuildValue("sy#", PLACE_NAMES[place], (const char *)p + at, end - at);
    if (key == NULL) return FAILED;
    known = PyDict_GetItemWithError(t->lists, key);
    Py_DECREF(key);
    if (known == NULL) return PyErr_Occurred() ? FAILED : read_list(t, place, at, end);
    t->recent[t->met % RECENT].at = at;
    t->recent[t->met % RECENT].size = end - at;
    t->recent[t->met % RECENT].place = place;
    t->recent[t->met++ % RECENT].known = known; /* the lists keep it alive */
    return replace_list(t, place, at, end, known);
}

static int decide_cookies(Text *t, Py_ssize_t end) {
    return STARTS(t, end - SIZE("\"cookies\":[{"), "\"cookies\":[{") ? decide_list(t, COOKIE, end - 1) : OPEN;
}

/* items.py, PARAMETER_LISTS, as recordings write them; -1 for another key. */
static int place_of(const Text *t, Py_ssize_t end) {
    if (STARTS(t, end - SIZE("\"queryString\""), "\"queryString\"")) return QUERY;
    return STARTS(t, end - SIZE("\"params\""), "\"params\"") ? FORM : -1;
}

/* items.py, parameter_item, and named.py, decide_item. */
static int decide_item(Text *t, Py_ssize_t end) {
    const byte *p = t->data;
    Py_ssize_t low = end > LIST_BYTES ? end - LIST_BYTES : 0, start = end - 3, at;
    PyObject *seen, *opening;
    int place, result, same;
    if (t->lists == Py_None || end < 3 || !STARTS(t, end - 2, "\",\"value\":\"")) return OPEN;
    while (start > low && p[start] != '"') start--;
    if (end - start > LONGEST_NAME || !STARTS(t, start - SIZE("{\"name\":"), "{\"name\":")) return OPEN;
    for (at = start; at > low && p[at] != '['; at--)
        if (p[at] == '}' && p[at + 1] == ']') return OPEN;
    if (STARTS(t, at - SIZE(",\"headers\":"), ",\"headers\":[{")) return DECIDED;
    if (!STARTS(t, at - 2, "\":[{") || (place = place_of(t, at - 1)) < 0) return OPEN;
    opening = PyLong_FromSsize_t(at - 2);
    if (opening == NULL) return FAILED;
    seen = PyDict_GetItemString(t->seen, "list");
    same = seen == NULL ? 0 : PyObject_RichCompareBool(seen, opening, Py_EQ);
    result = same < 0 ? FAILED : same ? DECIDED : decide_list(t, place, at + 1);
    if (result == DECIDED && !same && PyDict_SetItemString(t->seen, "list", opening)) result = FAILED;
    Py_DECREF(opening);
    return result;
}

/* tables.py, decide_table: a media type that is no body's, or of a body without a text. */
static int decide_table(Text *t, Py_ssize_t end) {
    Py_ssize_t low = end > LABEL_BYTES ? end - LABEL_BYTES : 0, at = end - SIZE("mimeType\""), key;
    while (at >= low && !STARTS(t, at, "mimeType\"")) at--;
    if (at < low) return DECIDED;
    if (!STARTS(t, at, "mimeType\":\"text/") || (at = simple_end(t, end)) < 0) return OPEN;
    for (at++; STARTS(t, at, ",\""); ) {
        key = at + 2;
        if ((at = simple_end(t, key)) < 0 || !STARTS(t, at, "\":") || STARTS(t, key, "text\"")) return OPEN;
        if ((at = scalar_end(t, at + 2)) < 0) return OPEN;
    }
    return STARTS(t, at, "}") ? DECIDED : OPEN;
}

static int decide_hit(Text *t, Py_ssize_t end, int kind) {
    byte sign;
    if (end < 2 || end > t->length) return OPEN;
    if (kind == COOKIES) return decide_cookies(t, end);
    if (kind == TABLE) return decide_table(t, end);
    if (kind == ITEM) return decide_item(t, end);
    if (kind != NAME) return OPEN;
    sign = t->data[end - 1];
    return sign == '"' ? decide_quoted(t, end) : sign == '=' ? decide_equals(t, end)
         : sign == 'D' || sign == 'd' ? decide_encoded_equals(t, end) : OPEN;
}

PyDoc_STRVAR(decide_doc,
"decide(work, data, hits, index, done, read_to, kinds, edits, books, lists, counts, seen) -> tuple[int, int]\n\n"
"Decides hits from an index on. Returns the index of the first one that Python has to decide, and up to where the text is\n"
"decided. ``kinds`` holds the kind of each pattern by its number; ``lists`` is None where none may be taken as known.");

static PyObject *decide(PyObject *module, PyObject *args) {
    Text t = {0};
    PyObject *data, *hits, *kinds;
    Py_ssize_t index, count, numbers;
    char *text, *kind_of;
    int failed = 0;
    if (!PyArg_ParseTuple(args, "OSO!nnnSO!(OOOOO)OOO!", &t.work, &data, &PyList_Type, &hits, &index, &t.done, &t.read_to, &kinds,
                          &PyList_Type, &t.edits, &t.anywhere, &t.param, t.books + QUERY, t.books + FORM, t.books + COOKIE,
                          &t.lists, &t.counts, &PyDict_Type, &t.seen)) return NULL;
    if (PyBytes_AsStringAndSize(data, &text, &t.length) < 0 || PyBytes_AsStringAndSize(kinds, &kind_of, &numbers) < 0)
        return NULL;
    t.data = (const byte *)text;
    t.nothing = PyBytes_FromStringAndSize("", 0);
    if (t.nothing == NULL) return NULL;
    count = PyList_Size(hits);
    for (; index < count; index++) {
        Py_ssize_t hit = PyLong_AsSsize_t(PyList_GetItem(hits, index)), end = hit >> NUMBER_BITS;
        Py_ssize_t number = hit & ((1 << NUMBER_BITS) - 1);
        int what = FAILED;
        if (!(hit == -1 && PyErr_Occurred())) {
            if (end <= t.done) what = end <= t.read_to ? OPEN : DECIDED;
            else what = number < numbers ? decide_hit(&t, end, kind_of[number]) : OPEN;
        }
        failed = what == FAILED;
        if (what != DECIDED) break;
    }
    Py_DECREF(t.nothing);
    for (int i = 0; i < RULES; i++) Py_XDECREF(t.rules[i].made);
    return failed ? NULL : Py_BuildValue("nn", index, t.done);
}

/* ---- splicing ---- */

/* Where an edit stands, and what takes its place: borrowed. 0, or -1 for an error. */
static int read_edit(PyObject *edit, Py_ssize_t *start, Py_ssize_t *end, PyObject **secret, PyObject **text) {
    if (!PyTuple_Check(edit) || PyTuple_Size(edit) != 5) {
        PyErr_SetString(PyExc_TypeError, "an edit is a tuple of five");
        return -1;
    }
    *start = PyLong_AsSsize_t(PyTuple_GetItem(edit, 0));
    *end = PyLong_AsSsize_t(PyTuple_GetItem(edit, 1));
    *secret = PyTuple_GetItem(edit, 2);
    *text = PyTuple_GetItem(edit, 4);
    return PyErr_Occurred() ? -1 : 0;
}

PyDoc_STRVAR(inside_doc, "inside(edits, start, stop) -> list\n\nThe edits that reach into a part of a text.");

static PyObject *inside(PyObject *module, PyObject *args) {
    PyObject *edits, *found;
    Py_ssize_t start, stop;
    if (!PyArg_ParseTuple(args, "O!nn", &PyList_Type, &edits, &start, &stop)) return NULL;
    found = PyList_New(0);
    for (Py_ssize_t i = 0; found != NULL && i < PyList_Size(edits); i++) {
        PyObject *edit = PyList_GetItem(edits, i), *secret, *text;
        Py_ssize_t first, last;
        if (read_edit(edit, &first, &last, &secret, &text) || (first < stop && last > start && PyList_Append(found, edit))) Py_CLEAR(found);
    }
    return found;
}

PyDoc_STRVAR(splice_doc,
"splice(data, edits, known, made) -> bytes | None\n\n"
"A text with its edits made. A marker that is not known is ``made``. None when edits are not in order, or one needs quotes.");

static PyObject *splice(PyObject *module, PyObject *args) {
    PyObject *data, *edits, *known, *made, *result = NULL;
    const char **parts = NULL;
    Py_ssize_t *sizes = NULL, count, length, total, at = 0;
    char *text, *to;
    if (!PyArg_ParseTuple(args, "SO!O!O", &data, &PyList_Type, &edits, &PyDict_Type, &known, &made)) return NULL;
    if (PyBytes_AsStringAndSize(data, &text, &length) < 0) return NULL;
    count = PyList_Size(edits);
    total = length;
    parts = PyMem_Malloc((size_t)count * sizeof *parts + 1);
    sizes = PyMem_Malloc((size_t)count * 3 * sizeof *sizes + 1);
    if (parts == NULL || sizes == NULL) {
        PyErr_NoMemory();
        goto end;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *secret, *around, *by;
        Py_ssize_t start, stop, size;
        char *part;
        if (read_edit(PyList_GetItem(edits, i), &start, &stop, &secret, &around)) goto end;
        by = around;
        if (start < at || stop < start || stop > length) goto none;
        if (secret != Py_None) {
            if (PyObject_Size(around) != 0) goto none;
            by = PyDict_GetItemWithError(known, secret);
            if (by == NULL) {
                PyObject *marker = PyErr_Occurred() ? NULL : PyObject_CallFunctionObjArgs(made, secret, NULL);
                if (marker == NULL) goto end;
                Py_DECREF(marker);
                by = PyDict_GetItemWithError(known, secret); /* it keeps the marker alive */
                if (by == NULL) goto none;
            }
        }
        if (PyBytes_AsStringAndSize(by, &part, &size) < 0) goto end;
        parts[i] = part;
        sizes[3 * i] = start;
        sizes[3 * i + 1] = stop;
        sizes[3 * i + 2] = size;
        total += size - (stop - start);
        at = stop;
    }
    result = PyBytes_FromStringAndSize(NULL, total);
    if (result == NULL) goto end;
    to = PyBytes_AsString(result);
    at = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        memcpy(to, text + at, (size_t)(sizes[3 * i] - at));
        to += sizes[3 * i] - at;
        memcpy(to, parts[i], (size_t)sizes[3 * i + 2]);
        to += sizes[3 * i + 2];
        at = sizes[3 * i + 1];
    }
    memcpy(to, text + at, (size_t)(length - at));
    goto end;
none:
    result = Py_NewRef(Py_None);
end:
    PyMem_Free(parts);
    PyMem_Free(sizes);
    return result;
}

static PyMethodDef methods[] = {
    {"finder", finder, METH_VARARGS, finder_doc},
    {"scan", scan, METH_VARARGS, scan_doc},
    {"only_base64", only_base64, METH_O, only_base64_doc},
    {"decide", decide, METH_VARARGS, decide_doc},
    {"inside", inside, METH_VARARGS, inside_doc},
    {"splice", splice, METH_VARARGS, splice_doc},
    {NULL, NULL, 0, NULL},
};

/* Counted up with every change of what is passed in and out: native.py does not use a module that was built for another. */
#define CALLS 2

static int fill(PyObject *module) {
    fill_classes();
    return PyModule_AddIntConstant(module, "CALLS", CALLS);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "packhorse.redact._native", "What redaction does most often, compiled.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&module); }
