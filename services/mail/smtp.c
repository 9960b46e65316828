// smtp.c - see smtp.h.
#include "services/mail/smtp.h"

#include <assert.h>
#include <curl/curl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

// RFC 2047: an encoded word has 75 characters at most, =?UTF-8?B?...?= around base64 of 45 bytes.
enum { WORD_BYTES_MAX = 45, PASSWORD_BYTES_MAX = 1024 };

struct smtp {
    CURL *curl;
    char *url, *user, *ca_file, *from;
    char password[PASSWORD_BYTES_MAX];
    long timeout_s;
    bool tls_required;
    void (*alive)(void);
};

// ---- settings -----------------------------------------------------------------------------------

static char *copy(const char *text)
{
    char *out = strdup(text);
    if (out == NULL)
        abort();
    return out;
}

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "[::1]") == 0;
}

// smtp:// or smtps:// and a host, and no name or password, which process lists would show.
static enum nova_status take_url(struct smtp *smtp, const struct settings *settings,
                                 struct error *err)
{
    char *scheme = NULL, *host = NULL, *user = NULL;
    const char *text = settings_text(settings, SETTING_MAIL_SMTP_URL);
    CURLU *url = curl_url();
    bool good = url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_NO_USER &&
                strncmp(scheme, "smtp", 4) == 0;
    if (good) {
        smtp->tls_required = !is_loopback(host);
        smtp->url = copy(text);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(url);
    return good
               ? NOVA_OK
               : error_set(err, NOVA_INVALID_ARGUMENT,
                           "mail.smtp_url wants smtp://host:port or smtps://host:port; who logs in "
                           "stands in mail.smtp_user and mail.smtp_password_file");
}

static enum nova_status take_password(struct smtp *smtp, const struct settings *settings,
                                      struct error *err)
{
    const char *path = settings_text(settings, SETTING_MAIL_SMTP_PASSWORD_FILE);
    struct stat about;
    if (*smtp->user == '\0')
        return NOVA_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(err, NOVA_NOT_FOUND,
                         "mail.smtp_password_file (%s) cannot be read; mail.smtp_user wants it",
                         path);
    bool shared = fstat(fileno(file), &about) != 0 || (about.st_mode & 077) != 0;
    bool got = fgets(smtp->password, sizeof smtp->password, file) != NULL;
    fclose(file);
    smtp->password[strcspn(smtp->password, "\r\n")] = '\0';
    if (shared)
        return error_set(err, NOVA_PERMISSION_DENIED, "%s may be read by others: chmod 600 it",
                         path);
    return got && *smtp->password != '\0'
               ? NOVA_OK
               : error_set(err, NOVA_INVALID_ARGUMENT, "%s holds no password", path);
}

static bool is_plain_address(const char *text)
{
    const char *at = strchr(text, '@');
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("<>", *c) != NULL)
            return false;
    return at != NULL && at != text && at[1] != '\0' && strchr(at + 1, '@') == NULL;
}

enum nova_status smtp_create(struct smtp **out, const struct settings *settings,
                             void (*alive)(void), struct error *err)
{
    struct smtp *smtp = calloc(1, sizeof *smtp);
    if (smtp == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    *out = smtp;
    smtp->user = copy(settings_text(settings, SETTING_MAIL_SMTP_USER));
    smtp->ca_file = copy(settings_text(settings, SETTING_MAIL_SMTP_CA_FILE));
    smtp->from = copy(settings_text(settings, SETTING_MAIL_FROM));
    smtp->timeout_s = (long)settings_int(settings, SETTING_MAIL_SMTP_TIMEOUT_S);
    smtp->alive = alive;
    smtp->curl = curl_easy_init();
    enum nova_status status = smtp->curl != NULL
                                  ? take_url(smtp, settings, err)
                                  : error_set(err, NOVA_INTERNAL, "libcurl does not start");
    if (status == NOVA_OK)
        status = take_password(smtp, settings, err);
    if (status == NOVA_OK && !is_plain_address(smtp->from))
        status = error_set(err, NOVA_INVALID_ARGUMENT,
                           "mail.from wants the address that e-mails come from, such as "
                           "no-reply@example.org");
    if (status != NOVA_OK)
        smtp_destroy(out);
    return status;
}

void smtp_destroy(struct smtp **out)
{
    struct smtp *smtp = *out;
    if (smtp == NULL)
        return;
    curl_easy_cleanup(smtp->curl);
    sodium_memzero(smtp->password, sizeof smtp->password);
    free(smtp->url);
    free(smtp->user);
    free(smtp->ca_file);
    free(smtp->from);
    free(smtp);
    *out = NULL;
}

// ---- headers ------------------------------------------------------------------------------------

static bool is_plain(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
            return false;
    return strstr(text, "=?") == NULL;
}

// How many bytes of the text go into one encoded word: whole characters, WORD_BYTES_MAX at most.
static size_t word_length(const char *text)
{
    size_t len = strlen(text);
    if (len <= WORD_BYTES_MAX)
        return len;
    len = WORD_BYTES_MAX;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return len > 0 ? len : WORD_BYTES_MAX; // no UTF-8: cut anywhere
}

char *smtp_header_text(struct arena *arena, const char *text)
{
    char *clean = arena_strdup(arena, text);
    for (char *c = clean; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    if (is_plain(clean))
        return clean;
    char *out = arena_strdup(arena, "");
    for (const char *at = clean; *at != '\0';) {
        char word[sodium_base64_ENCODED_LEN(WORD_BYTES_MAX, sodium_base64_VARIANT_ORIGINAL)];
        size_t len = word_length(at);
        sodium_bin2base64(word, sizeof word, (const uint8_t *)at, len,
                          sodium_base64_VARIANT_ORIGINAL);
        out = arena_printf(arena, "%s%s=?UTF-8?B?%s?=", out, *out != '\0' ? "\r\n " : "", word);
        at += len;
    }
    return out;
}

static struct curl_slist *add(struct curl_slist *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list, line);
    if (longer == NULL)
        abort();
    return longer;
}

static struct curl_slist *make_headers(const struct smtp *smtp, const struct smtp_message *message,
                                       struct arena *arena)
{
    char date[64];
    struct tm parts;
    time_t seconds = (time_t)(message->date_us / 1000000);
    gmtime_r(&seconds, &parts);
    strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S +0000", &parts);
    struct curl_slist *headers = add(NULL, date);
    headers = add(headers, arena_printf(arena, "From: <%s>", smtp->from));
    headers = add(headers, arena_printf(arena, "To: <%s>", message->to));
    headers =
        add(headers, arena_printf(arena, "Subject: %s", smtp_header_text(arena, message->subject)));
    headers = add(headers, arena_printf(arena, "Message-ID: <%s>", message->message_id));
    return add(headers, "Auto-Submitted: auto-generated");
}

// ---- sending ------------------------------------------------------------------------------------

static int still_alive(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct smtp *smtp = context;
    (void)a, (void)b, (void)c, (void)d;
    if (smtp->alive != NULL)
        smtp->alive();
    return 0;
}

// The lines of a text end with CRLF on the wire.
static char *with_crlf(struct arena *arena, const char *text)
{
    char *out = arena_alloc(arena, 2 * strlen(text) + 1), *to = out;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '\n')
            *to++ = '\r';
        *to++ = *from;
    }
    *to = '\0';
    return out;
}

static curl_mime *make_body(CURL *curl, const char *text)
{
    curl_mime *mime = curl_mime_init(curl);
    curl_mimepart *part = mime != NULL ? curl_mime_addpart(mime) : NULL;
    if (part == NULL || curl_mime_data(part, text, CURL_ZERO_TERMINATED) != CURLE_OK ||
        curl_mime_type(part, "text/plain; charset=utf-8") != CURLE_OK ||
        curl_mime_encoder(part, "quoted-printable") != CURLE_OK)
        abort(); // memory
    return mime;
}

// A connection for each: one that stood idle and was shut by the server would cost an attempt.
static void set_up(const struct smtp *smtp)
{
    CURL *curl = smtp->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, smtp->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_USE_SSL,
                     (long)(smtp->tls_required ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (*smtp->ca_file != '\0')
        curl_easy_setopt(curl, CURLOPT_CAINFO, smtp->ca_file);
    if (*smtp->user != '\0') {
        curl_easy_setopt(curl, CURLOPT_USERNAME, smtp->user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, smtp->password);
    }
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, smtp->timeout_s);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, smtp->timeout_s);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, still_alive);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, smtp);
}

// 5xx of the e-mail itself; 53x is about who we are, and another configuration may help.
static bool is_refusal(CURLcode code, long answer)
{
    return (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
            code == CURLE_WEIRD_SERVER_REPLY) &&
           answer >= 500 && answer <= 599 && answer / 10 != 53;
}

static enum smtp_result smtp_result_of(CURL *curl, CURLcode code, struct error *err)
{
    long answer = 0;
    if (code == CURLE_OK)
        return SMTP_SENT;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
    bool refused = is_refusal(code, answer);
    if (answer >= 400)
        error_set(err, NOVA_UNAVAILABLE, "the SMTP server answered %ld (%s)", answer,
                  curl_easy_strerror(code));
    else
        error_set(err, NOVA_UNAVAILABLE, "%s", curl_easy_strerror(code));
    return refused ? SMTP_REFUSED : SMTP_LATER;
}

enum smtp_result smtp_send(struct smtp *smtp, const struct smtp_message *message, struct error *err)
{
    if (!is_plain_address(message->to)) {
        error_set(err, NOVA_INVALID_ARGUMENT, "the address is none");
        return SMTP_REFUSED;
    }
    struct arena *arena = arena_create();
    set_up(smtp);
    struct curl_slist *headers = make_headers(smtp, message, arena);
    struct curl_slist *to = add(NULL, arena_printf(arena, "<%s>", message->to));
    curl_mime *mime = make_body(smtp->curl, with_crlf(arena, message->text));
    curl_easy_setopt(smtp->curl, CURLOPT_MAIL_FROM, arena_printf(arena, "<%s>", smtp->from));
    curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(smtp->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(smtp->curl, CURLOPT_MIMEPOST, mime);
    enum smtp_result result = smtp_result_of(smtp->curl, curl_easy_perform(smtp->curl), err);
    curl_mime_free(mime);
    curl_slist_free_all(to);
    curl_slist_free_all(headers);
    arena_destroy(&arena);
    return result;
}
