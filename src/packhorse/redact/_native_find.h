/* Finds the words without which no pattern of patterns.py matches, and looks at once at what stands around them.
 *
 * Each word is known by four bytes in a row of it, its window. The windows are put into 16 groups. A pass of vector instructions
 * tells where each of four bytes may be one of a window's of the same group: one place in forty. A bitmap of the windows' hashes
 * leaves few of those, and there the word itself is compared. Where there is no AVX2, the bitmap is asked at every place.
 * Windows are compared in lower case: bit 5 of each byte is set, which takes some other signs for one another.
 */

enum { LITERAL, MAYBE, NAMES, PARAMS, ITEMS, QUOTED, JARS, HEADERS, OBJECTS, WEB_TOKENS, ENCODINGS }; /* patterns.py, How */
#define WINDOW_BITS 16
#define SHELVES 4096 /* the windows in order of their hashes: where those begin that share so many bits */
#define PLACES_IN_WINDOW 4
#define GROUPS_OF_WINDOWS 16
#define CELLS 48 /* bytes in lower case: 0x20 to 0x3f by their last four bits, then 0x60 to 0x7f */

typedef struct {
    const byte *text;
    Py_ssize_t size;
    long how, number, caseless;
    const byte *front; /* 32 bytes: a bit for each byte that may stand before the word; or none */
    Py_ssize_t front_size;
    const byte *around; /* the names that the word is in: sizes of what stands before and behind it, whether the name may begin and */
    Py_ssize_t around_size; /* go on with anything, and both texts, the former backwards */
    const byte *follows; /* what may stand behind the word, where a window may reach so far */
    Py_ssize_t follows_size, offset; /* offset: where its window begins */
} Word;

typedef struct {
    unsigned window;
    int word;
} Window;

typedef struct {
    byte rows[2][PLACES_IN_WINDOW][CELLS]; /* a bit for each of eight groups: whether a byte is at that place of a window */
    byte bitmap[1 << (WINDOW_BITS - 3)];
    unsigned short shelves[SHELVES + 1];
    Window *windows;
    Word *words;
    Py_ssize_t window_count, word_count;
    PyObject *source; /* owns the text of the words */
    int wide;
} Finder;

/* ---- signs around names, as in patterns.py ---- */

static byte lower(byte c) { return is_letter(c) ? c | 32 : c; }

/* Whether a literal in lower case stands at a place, in any case. */
static int stands(const Search *s, Py_ssize_t at, const char *literal) {
    for (; *literal; literal++, at++) {
        byte c = at < s->limit ? s->data[at] : 0;
        if (lower(c) != (byte)*literal) return 0;
    }
    return 1;
}

#define STANDS(s, at, literal) (stands(s, at, literal) ? (at) + (Py_ssize_t)sizeof(literal) - 1 : -1)

/* %3d and the like, one or more times encoded: where it ends. */
static Py_ssize_t percent_sign(const Search *s, Py_ssize_t at, const char *codes) {
    int code;
    for (at++; s->limit - at >= 2 && s->data[at] == '2' && s->data[at + 1] == '5'; at += 2) {}
    code = s->limit - at >= 2 ? hex_pair(s->data + at) : -1;
    return code > 0 && strchr(codes, code) != NULL ? at + 2 : -1;
}

/* An entity, one or more times encoded. */
static Py_ssize_t entity_sign(const Search *s, Py_ssize_t at, int param) {
    static const char *const names[] = {"equals", "#", "quot", "apos", "lt", "gt"};
    at++;
    while (!param && stands(s, at, "amp;")) at += 4;
    for (int i = 0; i < (param ? 2 : 6); i++)
        if (stands(s, at, names[i])) return at + (Py_ssize_t)strlen(names[i]);
    return -1;
}

/* _SIGN: where a sign ends that makes a name what stands before it; -1 when there is none. */
static Py_ssize_t name_sign(const Search *s, Py_ssize_t at) {
    Py_ssize_t next = at + 1;
    byte c = at < s->limit ? s->data[at] : 0, d = next < s->limit ? s->data[next] : 0;
    switch (c) {
    case '"': case '\'': case '`': case '=': case ':': case '>': case '\\': return next;
    case ' ':
        if (d == '=' || d == ':') return at + 2;
        if (d == 'v' || d == 'V') return STANDS(s, at, " value=");
        return d == '|' ? STANDS(s, at, " ||") : d == '?' ? STANDS(s, at, " ?" "?") : -1;
    case '|': return d == '|' ? at + 2 : -1;
    case '<':
        while (next < s->limit && next < at + 4 && s->data[next] == '\\') next++;
        return next < s->limit && s->data[next] == '/' ? next + 1 : -1;
    case '%': return percent_sign(s, at, "=\"':[]");
    case '&': return entity_sign(s, at, 0);
    }
    return -1;
}

static Py_ssize_t skip_slashes(const Search *s, Py_ssize_t at) {
    while (at < s->limit && s->data[at] == '\\') at++;
    return at;
}

/* \s{0,most} */
static Py_ssize_t skip_space(const Search *s, Py_ssize_t at, int most) {
    for (; most > 0 && at < s->limit && is_space(s->data[at]); most--) at++;
    return at;
}

static int is_at(const Search *s, Py_ssize_t at, byte sign) { return at < s->limit && s->data[at] == sign; }

/* _PARAM_SIGN */
static Py_ssize_t param_sign(const Search *s, Py_ssize_t at) {
    Py_ssize_t next;
    switch (at < s->limit ? s->data[at] : 0) {
    case '=': return at + 1;
    case '%': return percent_sign(s, at, "=[]");
    case '&': return entity_sign(s, at, 1);
    case '\\':
        next = skip_slashes(s, at);
        return stands(s, next, "u003d") ? next + 5 : STANDS(s, next, "x3d");
    }
    return -1;
}

/* Behind a name in a list: \\*"\s{0,8}[,}] */
static Py_ssize_t item_sign(const Search *s, Py_ssize_t at) {
    at = skip_slashes(s, at);
    if (!is_at(s, at, '"')) return -1;
    at = skip_space(s, at + 1, 8);
    return is_at(s, at, ',') || is_at(s, at, '}') ? at + 1 : -1;
}

static Py_ssize_t sign_of(const Search *s, Py_ssize_t at, long how) {
    return how == NAMES ? name_sign(s, at) : how == PARAMS ? param_sign(s, at) : item_sign(s, at);
}

/* ---- runs ---- */

#define MOST_RUN 8192 /* patterns.py, LONGEST_MATCH */

/* Where a run of bytes of a class ends, as far as it has to be read; -1 when it was read before up to its end: whatever is at that
 * end has been looked at. So a run is read once, whatever number of words is in it. */
static Py_ssize_t run_end(const Search *s, Run *run, Py_ssize_t at, Py_ssize_t most, int class) {
    Py_ssize_t high = s->limit - at < most ? s->limit : at + most, i = at;
    if (run->ended && at >= run->start && at <= run->end) return -1;
    if (at >= run->start && at <= run->end) i = run->end;
    else run->start = at;
    while (i < high && class_of[s->data[i]] & class) i++;
    run->end = i;
    run->ended = i < high || high == s->limit;
    return i;
}

/* ---- what stands around a word ---- */

/* _FRONT: no letter but those of escapes. */
static int may_front(const Search *s, Py_ssize_t at) {
    const byte *p = s->data + at;
    Py_ssize_t before = at - s->low;
    if (before < 1 || !is_letter(p[-1])) return 1;
    if (before < 2) return 0;
    if (p[-2] == '\\' && strchr("bfnrt", lower(p[-1])) != NULL) return 1;
    if (!is_hex(p[-1])) return 0;
    if (is_digit(p[-2]) || (before > 2 && is_hex(p[-2]) && (p[-3] == '%' || is_digit(p[-3])))) return 1;
    return before > 5 && p[-6] == '\\' && lower(p[-5]) == 'u' && is_hex(p[-4]) && is_hex(p[-3]) && is_hex(p[-2]);
}

#define NOWHERE -2

/* Where a text ends that stands before or behind a place. A space in it is up to two separators. */
static Py_ssize_t reads(const Search *s, Py_ssize_t at, const byte *text, int size, int step) {
    for (int i = 0, skipped = 0; i < size;) {
        int inside = at >= s->low && at < s->limit;
        if (text[i] != ' ') {
            if (!inside || lower(s->data[at]) != text[i++]) return NOWHERE;
            at += step;
            skipped = 0;
        } else if (inside && skipped < 2 && class_of[s->data[at]] & IN_SEPARATOR) {
            skipped++;
            at += step;
        } else i++;
    }
    return at;
}

/* A name behind whose words a place is: where its sign ends; -1 when there is none, or it was told before. */
static Py_ssize_t name_end(Search *s, long how, Py_ssize_t at, int star) {
    Py_ssize_t end;
    if (star) {
        at = run_end(s, &s->tail, at, MOST_RUN, IN_TAIL);
        return at < 0 ? -1 : sign_of(s, at, how);
    }
    for (int i = 0; (end = sign_of(s, at, how)) < 0; i++, at++)
        if (i == 2 || at >= s->limit || !(class_of[s->data[at]] & IN_SEPARATOR)) return -1;
    return end;
}

/* The names that a word is in. */
static int look_at_name(Search *s, const Word *w, Py_ssize_t at) {
    const byte *one = w->around, *stop = one + w->around_size;
    Py_ssize_t last = at - 1;
    byte before;
    while (last > s->low && last > at - 3 && class_of[s->data[last]] & IN_SEPARATOR) last--;
    before = last >= s->low ? lower(s->data[last]) : 0;
    for (; one + 3 <= stop; one += 3 + one[0] + one[1]) {
        Py_ssize_t front, behind, end;
        if (one[0] > 1 && one[3] == ' ' && one[4] != before) continue; /* mostly this tells */
        front = reads(s, at - 1, one + 3, one[0], -1);
        if (front == NOWHERE || (!one[2] && !may_front(s, front + 1))) continue;
        behind = reads(s, at + w->size, one + 3 + one[0], one[1], 1);
        if (behind == NOWHERE) continue;
        end = name_end(s, w->how, behind, one[2]);
        if (end >= 0) return tell(s, end, w->number);
    }
    return 0;
}

/* _OPENING: the end of a key and the colon behind it. */
static Py_ssize_t opening(const Search *s, Py_ssize_t at) {
    at = skip_slashes(s, at);
    if (!is_at(s, at, '"')) return -1;
    at = skip_space(s, at + 1, 8);
    return is_at(s, at, ':') ? skip_space(s, at + 1, 8) : -1;
}

/* Behind a bracket: whether nothing stands in it but space, perhaps written as escapes. */
static int is_empty(const Search *s, Py_ssize_t at) {
    byte open = s->data[at++];
    for (Py_ssize_t high = at + 200, next; at < high; at = next + 1) {
        next = skip_slashes(s, at);
        if (next >= s->limit) return 0;
        if (next == at ? !is_space(s->data[at]) : strchr("nrt", s->data[next]) == NULL || s->data[next] == 0)
            return next == at && s->data[at] == open + 2; /* ] is two behind [, as } is behind { */
    }
    return 0;
}

/* "cookies": [{ or ["…" or a text */
static int look_at_jar(Search *s, const Word *w, Py_ssize_t at) {
    Py_ssize_t front = at, next = opening(s, at + w->size), quote;
    if (next < 0) return 0;
    if (at - s->low >= 7 && stands(s, at - 7, "request")) front = at - 7;
    if (at - s->low >= 8 && stands(s, at - 8, "response")) front = at - 8;
    if (front <= s->low || s->data[front - 1] != '"') return 0;
    quote = skip_slashes(s, next);
    if (is_at(s, quote, '"'))
        return quote + 1 < s->limit && s->data[quote + 1] != '"' && s->data[quote + 1] != '\\' ? tell(s, quote + 2, w->number) : 0;
    if ((!is_at(s, next, '[') && !is_at(s, next, '{')) || is_empty(s, next)) return 0;
    next = skip_space(s, next + 1, 64);
    return next < s->limit && s->data[next] && strchr("[{\"\\", s->data[next]) != NULL ? tell(s, next + 1, w->number) : 0;
}

/* "headers": ["… and [["…, "params": {"… */
static int look_at_list(Search *s, const Word *w, Py_ssize_t at) {
    Py_ssize_t next = opening(s, at + w->size);
    if (next < 0 || !is_at(s, next, w->how == OBJECTS ? '{' : '[')) return 0;
    next = skip_space(s, next + 1, 64);
    if (w->how == HEADERS && is_at(s, next, '[')) next = skip_space(s, next + 1, 64);
    next = skip_slashes(s, next);
    return is_at(s, next, '"') ? tell(s, next + 1, w->number) : 0;
}

/* eyJ and six more up to a dot, and four behind that. */
static int look_at_web_token(Search *s, const Word *w, Py_ssize_t at) {
    Py_ssize_t end = run_end(s, &s->token, at + w->size, MOST_RUN, IN_TOKEN), i;
    if (end < at + w->size + 6 || !is_at(s, end, '.')) return 0;
    for (i = end + 1; i < end + 5; i++)
        if (i >= s->limit || !(class_of[s->data[i]] & IN_TOKEN)) return 0;
    return tell(s, i, w->number);
}

/* The same backwards, from behind the quote that opens a value: where the key ends. */
static Py_ssize_t before_opening(const Search *s, Py_ssize_t at) {
    if (at <= s->low || s->data[--at] != '"') return -1;
    while (at > s->low && s->data[at - 1] == '\\') at--;
    for (int i = 0; i < 8 && at > s->low && is_space(s->data[at - 1]); i++) at--;
    if (at <= s->low || s->data[--at] != ':') return -1;
    for (int i = 0; i < 8 && at > s->low && is_space(s->data[at - 1]); i++) at--;
    if (at <= s->low || s->data[--at] != '"') return -1;
    while (at > s->low && s->data[at - 1] == '\\') at--;
    return at;
}

/* "encoding": "base64, "base64Encoded": true, "base64_string": and "opcode": 2 */
static int look_at_encoding(Search *s, const Word *w, Py_ssize_t at) {
    Py_ssize_t behind = at + w->size, next = before_opening(s, at);
    if (w->text[0] == 'o') return (next = opening(s, behind)) >= 0 && is_at(s, next, '2') ? tell(s, next + 1, w->number) : 0;
    if (next >= s->low + 8 && stands(s, next - 8, "encoding")) return tell(s, behind, w->number);
    if (stands(s, behind, "encoded")) return (next = opening(s, behind + 7)) >= 0 && stands(s, next, "true") ? tell(s, next + 4, w->number) : 0;
    return stands(s, behind, "_string") && (next = opening(s, behind + 7)) >= 0 ? tell(s, next, w->number) : 0;
}

static int look_at_word(Search *s, const Word *w, Py_ssize_t at) {
    switch (w->how) {
    case LITERAL: return tell(s, at + w->size, w->number);
    case NAMES: case PARAMS: case ITEMS: return look_at_name(s, w, at);
    case QUOTED: {
        byte sign = at + w->size < s->limit ? s->data[at + w->size] : 0;
        return sign == '"' || sign == '\'' || sign == ':' ? tell(s, at + w->size + 1, w->number) : 0;
    }
    case JARS: return look_at_jar(s, w, at);
    case HEADERS: case OBJECTS: return look_at_list(s, w, at);
    case ENCODINGS: return look_at_encoding(s, w, at);
    case WEB_TOKENS: return look_at_web_token(s, w, at);
    }
    return tell_in(s->maybe, at, w->number); /* a pattern that Python has to look at, by the number of the word */
}

/* ---- finding ---- */

static unsigned window_of(const byte *p) {
    return (p[0] | (unsigned)p[1] << 8 | (unsigned)p[2] << 16 | (unsigned)p[3] << 24) | 0x20202020u;
}

static unsigned hash_of(unsigned window) { return window * 0x9e3779b1u >> (32 - WINDOW_BITS); }

static int is_word(const Search *s, const Word *w, Py_ssize_t at) {
    const byte *p = s->data + at, *text = w->text;
    if (at < s->low || s->limit - at < w->size) return 0;
    if (w->front_size && at > s->low && !(w->front[p[-1] / 8] >> p[-1] % 8 & 1)) return 0;
    if (!w->caseless) return memcmp(p, text, (size_t)w->size) == 0;
    for (Py_ssize_t i = 0; i < w->size; i++)
        if (lower(p[i]) != text[i]) return 0;
    return 1;
}

static unsigned shelf_of(unsigned window) { return hash_of(window) / ((1 << WINDOW_BITS) / SHELVES); }

/* The words whose window begins at a place. */
static int look_at_window(Search *s, const Finder *f, Py_ssize_t at, unsigned window) {
    const unsigned short *shelf = f->shelves + shelf_of(window);
    for (int i = shelf[0]; i < shelf[1]; i++) {
        const Word *w = f->words + f->windows[i].word;
        if (f->windows[i].window == window && is_word(s, w, at - w->offset) && look_at_word(s, w, at - w->offset)) return -1;
    }
    return 0;
}

static int in_bitmap(const Finder *f, const byte *p) {
    unsigned hash = hash_of(window_of(p));
    return f->bitmap[hash / 8] >> hash % 8 & 1;
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(PACKHORSE_NO_SIMD)
#include <immintrin.h>
#define MAY_BE_WIDE 1
#define ROW(half, place, kind) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(f->rows[half][place] + 16 * (kind))))
#define OF_KIND(kind) _mm256_adds_epu8(kind, _mm256_set1_epi8(0x70)) /* pshufb gives 0 for what is of another one */
#define MAYBE_AT(half, place)                                                                                             \
    _mm256_or_si256(_mm256_or_si256(_mm256_shuffle_epi8(rows[half][place][0], a), _mm256_shuffle_epi8(rows[half][place][1], b)), \
                    _mm256_shuffle_epi8(rows[half][place][2], c))
#define BEHIND(now, next, by) _mm256_alignr_epi8(next, now, by)

/* Places in a block where each of four bytes in a row may be a window's, of the same group. Two halves of the block are read side by
 * side. Two places are written down at once, wanted or not: fewer branches that cannot be foreseen. */
__attribute__((target("avx2,bmi,popcnt"))) static int places_wide(const Finder *f, const byte *text, unsigned short *places) {
    const __m256i zero = _mm256_setzero_si256(), fold = _mm256_set1_epi8(0x20), both = _mm256_set1_epi8((char)0xef);
    __m256i rows[2][PLACES_IN_WINDOW][3], before[2][PLACES_IN_WINDOW] = {{zero, zero, zero, zero}, {zero, zero, zero, zero}};
    unsigned short second[BLOCK / 2 + 2];
    int found[2] = {0, 0};
    for (int half = 0; half < 2; half++)
        for (int place = 0; place < PLACES_IN_WINDOW; place++)
            for (int kind = 0; kind < 3; kind++) rows[half][place][kind] = ROW(half, place, kind);
    for (int i = 0; i < BLOCK / 2 + 16; i += 16) {
        const __m256i p = _mm256_or_si256(_mm256_loadu2_m128i((const __m128i *)(text + BLOCK / 2 + i), (const __m128i *)(text + i)), fold);
        const __m256i a = OF_KIND(_mm256_xor_si256(_mm256_and_si256(p, both), fold));
        const __m256i b = OF_KIND(_mm256_xor_si256(p, _mm256_set1_epi8(0x60))), c = OF_KIND(_mm256_xor_si256(p, _mm256_set1_epi8(0x70)));
        __m256i any = zero;
        unsigned mask;
        for (int half = 0; half < 2; half++) {
            const __m256i at0 = MAYBE_AT(half, 0), at1 = MAYBE_AT(half, 1), at2 = MAYBE_AT(half, 2), at3 = MAYBE_AT(half, 3);
            __m256i *was = before[half];
            any = _mm256_or_si256(any, _mm256_and_si256(_mm256_and_si256(was[0], BEHIND(was[1], at1, 1)),
                                                        _mm256_and_si256(BEHIND(was[2], at2, 2), BEHIND(was[3], at3, 3))));
            was[0] = at0;
            was[1] = at1;
            was[2] = at2;
            was[3] = at3;
        }
        mask = ~(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(any, zero));
        for (int side = 0; side < 2; side++) {
            unsigned part = side ? mask >> 16 : mask & 0xffff;
            unsigned short *to = (side ? second : places) + found[side];
            int at = i - 16 + side * BLOCK / 2;
            found[side] += _mm_popcnt_u32(part);
            do {
                to[0] = (unsigned short)(at + (int)_tzcnt_u32(part));
                part &= part - 1;
                to[1] = (unsigned short)(at + (int)_tzcnt_u32(part));
                part &= part - 1;
                to += 2;
            } while (part != 0);
        }
    }
    memcpy(places + found[0], second, sizeof *second * (size_t)found[1]);
    return found[0] + found[1];
}
#endif

/* The words whose windows begin in a block. ``text`` is the block, and zeros where the text ends. */
static int find(Search *s, const Finder *f, const byte *text, Py_ssize_t start, int count) {
    unsigned short places[BLOCK + 2];
    int found = 0;
#ifdef MAY_BE_WIDE
    if (f->wide) {
        const int candidates = places_wide(f, text, places);
        for (int i = 0; i < candidates; i++) {
            places[found] = places[i];
            found += in_bitmap(f, text + places[i]);
        }
    } else
#endif
        for (int i = 0; i < count; i++) {
            places[found] = (unsigned short)i;
            found += in_bitmap(f, text + i);
        }
    for (int i = 0; i < found && places[i] < count; i++)
        if (look_at_window(s, f, start + places[i], window_of(text + places[i]))) return -1;
    return 0;
}

static void free_finder(PyObject *capsule) {
    Finder *f = PyCapsule_GetPointer(capsule, NULL);
    if (f == NULL) return;
    PyMem_Free(f->windows);
    PyMem_Free(f->words);
    Py_XDECREF(f->source);
    PyMem_Free(f);
}

/* How much of a text is made of these bytes, from the commonest on; of captures, in lower case. */
static double share_of(byte c) {
    static const char commonest[] = "e\" tnaiosrcl|:,dmup.fh0gvb-1{}2y/w\x7fxk3)(=z459j;678q+*&!%`#>";
    double share = 0.07;
    for (const char *p = commonest; *p; p++, share *= 0.95)
        if ((byte)*p == c) return share;
    return 0.0005;
}

static int cell_of(byte c) {
    c |= 32;
    return c < 64 ? c & 15 : (c & 31) + 16;
}

typedef struct {
    double shares[CELLS], sums[GROUPS_OF_WINDOWS][PLACES_IN_WINDOW];
    int used[GROUPS_OF_WINDOWS][PLACES_IN_WINDOW][CELLS];
} Groups;

/* The bytes that may stand at a place of a word or right behind it. */
static const byte *signs_at(const Word *w, Py_ssize_t at, Py_ssize_t *count) {
    *count = at < w->size ? 1 : w->follows_size;
    return at < w->size ? w->text + at : w->follows;
}

/* Puts the window of a word that begins at a place into a group, or takes it out. */
static void put(Groups *g, const Word *w, Py_ssize_t offset, int group, int by) {
    for (int place = 0; place < PLACES_IN_WINDOW; place++) {
        Py_ssize_t count;
        const byte *signs = signs_at(w, offset + place, &count);
        for (Py_ssize_t i = 0; i < count; i++) {
            int cell = cell_of(signs[i]), *used = g->used[group][place] + cell, was = *used > 0;
            *used += by;
            g->sums[group][place] += ((*used > 0) - was) * g->shares[cell];
        }
    }
}

/* What part of a text is taken for a window of a group. */
static double cost_of(const Groups *g, int group) {
    double cost = 1;
    for (int place = 0; place < PLACES_IN_WINDOW; place++) cost *= g->sums[group][place];
    return cost;
}

/* Four letters in a row that are in captures more than sixty times per MB. */
static int is_common(const byte *text) {
    static const char common[] =
        "valualuetionctiocont----texthead.comaderacceeadederstimeagicookicookokiestrisionringnodetrinent-mentdatambering\"umbe"
        "numbrespkiesliveies\"codelocksponponsespoonseers\"ontrquerueryscricessusercces.probasethubithugithparaientegraaramtest"
        "eryslienclieext/ystrrystagengent\"queoveressiformecuress-checakersecuactie.coctivssioritying.\x7f" "proheckify\x7f" "ode.enticonf";
    for (const char *p = common; p + PLACES_IN_WINDOW <= common + sizeof common - 1; p += PLACES_IN_WINDOW)
        if (window_of((const byte *)p) == window_of(text)) return 1;
    return 0;
}

/* Chooses a window of each word, and its group: each so that the fewest places are taken for one of the group, three times over. */
static void arrange(Finder *f, Groups *g, int *groups) {
    for (int c = 0; c < 128; c++) g->shares[cell_of((byte)c)] = 0;
    for (int c = 0; c < 128; c++)
        if (c & 32) g->shares[cell_of((byte)c)] += share_of((byte)c);
    for (int pass = 0; pass < 3; pass++)
        for (Py_ssize_t i = 0; i < f->word_count; i++) {
            Word *w = f->words + i;
            Py_ssize_t last = w->size + (w->follows_size > 0) - PLACES_IN_WINDOW, best_offset = 0;
            double best = 3;
            if (pass) put(g, w, w->offset, groups[i], -1);
            for (Py_ssize_t offset = 0; offset <= last; offset++) {
                const double common = offset + PLACES_IN_WINDOW <= w->size && is_common(w->text + offset) ? 0.002 : 0;
                for (int group = 0; group < GROUPS_OF_WINDOWS; group++) {
                    double more = common - cost_of(g, group);
                    put(g, w, offset, group, 1);
                    more += cost_of(g, group);
                    put(g, w, offset, group, -1);
                    if (more < best) {
                        best = more;
                        best_offset = offset;
                        groups[i] = group;
                    }
                }
            }
            w->offset = best_offset;
            put(g, w, w->offset, groups[i], 1);
        }
    for (int group = 0; group < GROUPS_OF_WINDOWS; group++)
        for (int place = 0; place < PLACES_IN_WINDOW; place++)
            for (int cell = 0; cell < CELLS; cell++)
                if (g->used[group][place][cell]) f->rows[group / 8][place][cell] |= (byte)(1 << group % 8);
}

/* Writes down each way in which the window of a word may read. */
static void enter(Finder *f, int word) {
    const Word *w = f->words + word;
    Py_ssize_t count;
    const byte *last = signs_at(w, w->offset + 3, &count);
    byte text[PLACES_IN_WINDOW];
    for (int i = 0; i < 3; i++) text[i] = w->text[w->offset + i];
    for (Py_ssize_t i = 0; i < count; i++) {
        unsigned hash;
        text[3] = last[i];
        hash = hash_of(window_of(text));
        f->bitmap[hash / 8] |= (byte)(1 << hash % 8);
        f->windows[f->window_count].window = window_of(text);
        f->windows[f->window_count++].word = word;
    }
}

static int by_hash(const void *a, const void *b) {
    unsigned first = hash_of(((const Window *)a)->window), second = hash_of(((const Window *)b)->window);
    return first < second ? -1 : first > second;
}

static void sort_windows(Finder *f) {
    Py_ssize_t i = 0;
    qsort(f->windows, (size_t)f->window_count, sizeof *f->windows, by_hash);
    for (unsigned shelf = 0; shelf <= SHELVES; shelf++) {
        while (i < f->window_count && shelf_of(f->windows[i].window) < shelf) i++;
        f->shelves[shelf] = (unsigned short)i;
    }
}

/* One word as Python writes it. */
static int read_word(Word *w, PyObject *tuple) {
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "a word is a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(tuple, "y#llly#y#y#", &w->text, &w->size, &w->how, &w->number, &w->caseless, &w->front, &w->front_size,
                          &w->around, &w->around_size, &w->follows, &w->follows_size)) return -1;
    if ((w->front_size == 0 || w->front_size == 32) && w->size >= 3 && w->size + (w->follows_size > 0) >= PLACES_IN_WINDOW) return 0;
    PyErr_SetString(PyExc_ValueError, "a word has a window, and a set of bytes 32 bytes");
    return -1;
}

static int fill_finder(Finder *f, PyObject *words) {
    Py_ssize_t most = 1;
    Groups *g = PyMem_Calloc(1, sizeof *g);
    int *groups, failed = 0;
    f->word_count = PyTuple_Size(words);
    f->source = Py_NewRef(words);
    f->words = PyMem_Calloc((size_t)f->word_count + 1, sizeof *f->words);
    groups = PyMem_Calloc((size_t)f->word_count + 1, sizeof *groups);
    for (Py_ssize_t i = 0; f->words != NULL && !failed && i < f->word_count; i++) {
        failed = read_word(f->words + i, PyTuple_GetItem(words, i));
        most += 1 + f->words[i].follows_size;
    }
    if (!failed && most > 65000) {
        PyErr_SetString(PyExc_ValueError, "too many words");
        failed = -1;
    }
    f->windows = PyMem_Calloc((size_t)most, sizeof *f->windows);
    if (!failed && (g == NULL || groups == NULL || f->words == NULL || f->windows == NULL)) {
        PyErr_NoMemory();
        failed = -1;
    }
    if (!failed) {
        arrange(f, g, groups);
        for (int i = 0; i < f->word_count; i++) enter(f, i);
        sort_windows(f);
    }
    PyMem_Free(g);
    PyMem_Free(groups);
    return failed;
}

PyDoc_STRVAR(finder_doc,
"finder(words) -> capsule\n\n"
"What scan() looks for: tuples of text, how, number, caseless, front, around and follows, as Word in _native_find.h has them.");

static PyObject *finder(PyObject *module, PyObject *args) {
    PyObject *words, *capsule;
    Finder *f;
    if (!PyArg_ParseTuple(args, "O!", &PyTuple_Type, &words)) return NULL;
    f = PyMem_Calloc(1, sizeof *f);
    if (f == NULL) return PyErr_NoMemory();
    capsule = PyCapsule_New(f, NULL, free_finder);
    if (capsule == NULL) {
        PyMem_Free(f);
        return NULL;
    }
    if (fill_finder(f, words)) {
        Py_DECREF(capsule);
        return NULL;
    }
#ifdef MAY_BE_WIDE
    f->wide = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");
#endif
    return capsule;
}
