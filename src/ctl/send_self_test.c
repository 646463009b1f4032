/*
 * The self-test of the public url: from an answer, or its lack, to what is wrong on the way.
 *
 * The daemon's answers are told from a proxy's by their body: the daemon's are its own JSON. What
 * they hold is in docs and intake/answer.c; here only "accepted", "duplicate" and "message" count.
 */

#include "ctl/send.h"

#include "util/cleanup.h"

#include <string.h>

static bool holds(const struct send_answer *answer, const char *text)
{
    return answer->body.length > 0 &&
           memmem(answer->body.data, answer->body.length, text, strlen(text)) != NULL;
}

/* Whether the daemon spoke, and not something in front of it. */
static bool is_daemons(const struct send_answer *answer)
{
    return holds(answer, "{\"message\":\"") || holds(answer, "{\"status\":\"");
}

static const char *judge_failure(enum send_failure failure)
{
    switch (failure) {
    case SEND_NO_HOST:
        return "the host's name has no address: look at public_url and at the DNS";
    case SEND_NO_CONNECTION:
        return "nobody takes the connection: is the proxy running, does it listen on this port, "
               "does a firewall stand between?";
    case SEND_TIMED_OUT:
        return "no answer in time: does the proxy reach the daemon, or does a firewall drop the "
               "packets?";
    case SEND_BAD_CERTIFICATE:
        return "the certificate does not hold: it has run out, is for another name, or its chain "
               "is not complete; SASHA would not connect either. For a private authority use "
               "--cacert";
    case SEND_NO_TLS:
        return "TLS does not come about: is public_url https where the proxy speaks http on this "
               "port, or is its TLS too old?";
    case SEND_CUT:
        return "the connection was closed before the answer was whole: look into the proxy's log";
    case SEND_ANSWERED:
    case SEND_FAILED:
        break;
    }
    return "there was no answer";
}

static const struct {
    long status;
    bool daemons; /* else a proxy's */
    const char *text;
} findings[] = {
    {400, true,
        "the daemon finds the request malformed: the proxy spoils headers or framing (it should "
        "pass on HTTP/1.1 and every header once)"},
    {400, false,
        "the proxy itself refuses the request: is this its https port, and is a filter at work?"},
    {401, true,
        "the daemon does not accept token or signature, which were made from this conf: either the "
        "daemon runs with another conf (reload it), or the proxy drops Authorization or changes "
        "the body. `sasha-callbackctl explain --list` shows the request as it came in"},
    {401, false,
        "the proxy asks for a password of its own: it must let callbacks through to the daemon"},
    {403, true, "the daemon finds the callback too old: compare the clocks of both machines"},
    {403, false,
        "the proxy forbids it: an address list, a firewall or a filter stands before the daemon; "
        "SASHA's addresses must pass as well"},
    {404, true,
        "the proxy reaches the daemon with another path than the endpoint's: it strips or adds a "
        "prefix (in nginx a path behind proxy_pass does that). Set path of the endpoint to what "
        "arrives, or let the proxy pass the path on as it is"},
    {404, false,
        "the proxy, or another program, has nothing at this path: its route to the daemon is "
        "missing or is for another path or host"},
    {405, true, "the daemon got another method than POST: something on the way redirects"},
    {405, false, "the proxy does not let POST through to this path"},
    {408, false, "the proxy waited too long for the request"},
    {411, false, "the proxy wants a Content-Length that was lost on the way"},
    {413, true, "the body is over max_body of the conf"},
    {413, false,
        "the body is over the proxy's limit (nginx: client_max_body_size): make it at least as "
        "large as max_body"},
    {421, false, "the proxy does not serve this host name: compare it with the certificate's"},
    {429, false, "the proxy limits the rate of requests: callbacks must be let through"},
    {431, false, "the proxy finds the headers too large"},
    {500, true, "the daemon failed: look into its log"},
    {500, false, "the proxy, or a program behind it, failed: look into its log"},
    {502, false,
        "the proxy does not reach the daemon: is it running, and does the proxy connect where "
        "server.listen says? (SELinux may forbid it, too)"},
    {503, true,
        "the daemon cannot take it now: its store is busy, full or failed, or it is at a limit; "
        "see `sasha-callbackctl status`"},
    {503, false,
        "the proxy has no daemon to pass it to: is it running, and does its health check pass?"},
    {504, false, "the daemon did not answer the proxy in time: see `sasha-callbackctl status`"},
};

static const char *judge_status(const struct send_answer *answer)
{
    bool daemons = is_daemons(answer);

    if (answer->status >= 200 && answer->status <= 299)
        return "something else than the daemon answers at this url: the proxy's route for this "
               "path leads elsewhere";
    if (answer->status >= 300 && answer->status <= 399)
        return "the url redirects, and SASHA need not follow: public_url and callback_url must be "
               "the url that answers itself (https, the right host, the slash at the end)";
    for (size_t i = 0; i < ARRAY_SIZE(findings); i++) {
        if (findings[i].status == answer->status && findings[i].daemons == daemons)
            return findings[i].text;
    }
    return daemons ? "the daemon refuses it: look into its log"
                   : "something before the daemon refuses it: look into the proxy's log";
}

bool send_self_test_judge(const struct send_request *request, const struct send_answer *answer,
    const struct error *failure, struct buf *out)
{
    if (failure) {
        buf_append_format(out, "%s (%s)", judge_failure(answer->failure), failure->text);
        return false;
    }
    if (answer->status >= 200 && answer->status <= 299 &&
        (holds(answer, "\"accepted\"") || holds(answer, "\"duplicate\""))) {
        buf_append_format(
            out, "callbacks reach the daemon through %s, and their signatures hold", request->url);
        return true;
    }
    buf_append_format(out, "status %ld: %s", answer->status, judge_status(answer));
    return false;
}
