/*
 * What a conf is refused for, and in which words: the words are what an operator works with.
 *
 * Rows are read as by a client, without looks at programs and folders; test_config_machine.c has
 * the rest.
 */

#include "config_rows.h"

#include "util/cleanup.h"

static const struct row unknown[] = {
    {"server {\n  workrs = 2\n}\n", "2: server: workrs: unknown key; did you mean \"workers\"?\n"},
    {"server { Workers = 2 }\n", "1: server: Workers: unknown key; did you mean \"workers\"?\n"},
    {"server { colour = 2 }\n",
        "1: server: colour: unknown key; sasha-callbackd.conf(5) lists them all\n"},
    {"server { max_age = 2 }\n",
        "1: server: max_age: unknown key here; it belongs in section endpoint\n"},
    {"workers = 2\n", "1: workers: unknown key here; it belongs in section server\n"},
    {"servr { workers = 2 }\n", "1: servr: unknown section; did you mean \"server\"?\n"},
    {"tls \"x\" { a { b = {\"}\"} } }\n",
        "1: tls: unknown section; sasha-callbackd.conf(5) lists them all\n"},
    {"endpoint e {\n public_url = \"https://h/e\"\n partner_tokn = {\"value:" SECRET "\"}\n" OTHER
     "}\n",
        "1: endpoint \"e\": partner_token: is missing; this endpoint needs it\n"
        "3: endpoint \"e\": partner_tokn: unknown key; did you mean \"partner_token\"?\n"},
    {E("callback_secrt t { source = x }"),
        "1: endpoint \"e\": callback_secrt: unknown section; did you mean \"callback_secret\"?\n"},
    {"callback_secret t { source = x }\n",
        "1: callback_secret: unknown section; sasha-callbackd.conf(5) lists them all\n"},
    /* Every comment is one line, whatever libconfuse counts. */
    {"# one\n# two\n// three\n/* four\nfive */ server { # six?\n a = 1 # seven\n b = 2 }\n",
        "6: server: a: unknown key; sasha-callbackd.conf(5) lists them all\n"
        "7: server: b: unknown key; sasha-callbackd.conf(5) lists them all\n"},
    /* What could be a secret after a slip is not shown. */
    {"server { " SECRET "Base64 = 2 }\n",
        "1: server: unknown key; sasha-callbackd.conf(5) lists them all\n"},
};

static const struct row twice[] = {
    {"server {\n workers = 2\n workers = 3\n}\n",
        "3: server: workers: is given twice, first in line 2; leave one of them out\n"},
    {"server { listen = {}\n listen = {\"[::1]:1\"} }\n",
        "1: server: listen: is empty; write at least one value\n"
        "2: server: listen: is given twice, first in line 1; leave one of them out\n"},
    {"log {}\nlog { level = err }\n",
        "2: log: is given twice, first in line 1; put all its keys in one section\n"},
    {"endpoint good { nonsense = 1 }\n",
        "1: endpoint \"good\": nonsense: unknown key; sasha-callbackd.conf(5) lists them all\n"
        "1: endpoint \"good\": public_url: is missing; this endpoint needs it\n"
        "1: endpoint \"good\": partner_token: is missing; this endpoint needs it\n"
        "1: endpoint \"good\": callback_secret: is missing; write callback_secret \"current\" { "
        "source = \"credential:NAME\" }\n"
        "2: endpoint \"good\": is given twice, first in line 1; give each its own name\n"},
    {"sink s { type = syslog }\nsink s { type = syslog }\n",
        "2: sink \"s\": is given twice, first in line 1; give each its own name\n"},
    {"server { listen = {\"[::1]:1\", \"[::1]:1\"} }\n",
        "1: server: listen: \"[::1]:1\" is given twice; leave one of them out\n"},
    {"admin { listen = {\"127.0.0.1:8480\"} }\n",
        "1: admin: listen: \"127.0.0.1:8480\" is given twice; leave one of them out\n"},
};

static const struct row shapes[] = {
    {"server { workers = {2} }\n",
        "1: server: workers: is given as a list; write one value, without braces\n"},
    {"server { workers { } }\n",
        "1: server: workers: is a key, not a section; write workers = value\n"},
    {"server = 3\n", "1: server: is a section, not a key; write server { ... }\n"},
    {"endpoint = {\"a\"}\n",
        "1: endpoint: is a section, not a key; write endpoint \"name\" { ... }\n"},
    {"server \"x\" { }\n", "1: server: takes no name; write server { ... }\n"},
    {"sink { type = syslog }\n", "1: sink: needs a name; write sink \"name\" { ... }\n"},
    {"sink \"a b\" { type = syslog }\n",
        "1: sink \"a b\": is not a name; use 1 to 64 of the characters A-Z a-z 0-9 _ . -\n"},
    {"sink \"\" { type = syslog }\n",
        "1: sink \"\": is not a name; use 1 to 64 of the characters A-Z a-z 0-9 _ . -\n"},
    {"", "1: there is no endpoint; write at least one endpoint \"name\" { ... }\n", true},
    {"# nothing\n", "1: there is no endpoint; write at least one endpoint \"name\" { ... }\n",
        true},
};

#define OPEN_STRING \
    "the string does not end on its line; close it with the same quote it began with\n"
#define ENVIRONMENT                                                                     \
    "${ stands for an environment variable in other files, but not in this one; for a " \
    "secret write env:NAME, for the text itself use single quotes\n"
#define ESCAPE                                                                         \
    "the string has an escape that is not known; known are \\\\ \\\" \\$ \\n \\t \\r " \
    "\\b \\f \\a \\e \\v, \\x and two hex digits, \\ and up to three octal digits; "   \
    "single quotes need none\n"
#define NUL "the file has a NUL byte; a text cannot hold one\n"
#define BYTE                                                                        \
    "a byte that has no meaning here; put the value in quotes, and write comments " \
    "after #\n"
#define NEITHER "neither = nor { follows; write key = value, or section { ... }\n"
#define VALUE                                                                    \
    "the value is missing; write it after =, in quotes, or a list as {\"one\", " \
    "\"two\"}\n"
#define LIST                                                                            \
    "the list is not well formed; write {\"one\", \"two\"}, with commas and a closing " \
    "brace\n"
#define UNCLOSED "the section that begins here is not closed; add } after its last key\n"

/* One fault each, and nothing of what follows. */
static const struct row syntax[] = {
    {"log {\n level = \"info\n format = \"" SECRET "\" }\n", "2: log: level: " OPEN_STRING},
    {"log { level = 'info }\n", "1: log: level: " OPEN_STRING},
    {"log { level = \"info", "1: log: level: " OPEN_STRING, true},
    {"log { level = \"info\\", "1: log: level: " OPEN_STRING, true},
    {"log { level = \"${LEVEL}\" }\n", "1: log: level: " ENVIRONMENT},
    {"log { level = ${LEVEL} }\n", "1: log: level: " ENVIRONMENT},
    {"log { level = a${LEVEL} }\n", "1: log: level: " ENVIRONMENT},
    {"log { level = \"\\q\" }\n", "1: log: level: " ESCAPE},
    {"log { level = \"\\400\" }\n", "1: log: level: " ESCAPE},
    {"log { level = \"\\8\" }\n", "1: log: level: " ESCAPE},
    {"log { level = \"\\0019\" }\n", "1: log: level: " ESCAPE},
    {"log { level = \"\\x4\" }\n", "1: log: level: " ESCAPE},
    {"log { level = \"a\\x00\" }\n", "1: log: level: " NUL},
    {"log { level = \"a\\000\" }\n", "1: log: level: " NUL},
    {"log { level * = 3 }\n", "1: log: level: " BYTE},
    {"\xef\xbb\xbflog { }\n", "1: " BYTE},
    {"log { level += 3 }\n",
        "1: log: level: += is not used in this file; write the whole list after =\n"},
    {"include(\"" SECRET "\")\n",
        "1: include: there are no functions and no include(); write all settings in one file\n"},
    {"/* never closed\n\n", "1: the comment is not closed; end it with */\n"},
    {"log { level \"info\" }\n", "1: log: level: " NEITHER},
    {"log {\n level\n}\n", "2: log: level: " NEITHER},
    {"log { " SECRET "X \"" SECRET "\" }\n", "1: log: " NEITHER},
    {"log { level = = x }\n", "1: log: level: " VALUE},
    {"log { level = }\n", "1: log: level: " VALUE},
    {"server { listen = {\"[::1]:1\" \"[::1]:2\"} }\n", "1: server: listen: " LIST},
    {"server { listen = {,} }\n", "1: server: listen: " LIST},
    {"server {\n listen = {\"[::1]:1\"\n", "3: server: listen: " LIST},
    {"log {\n level = err\n", "1: log: " UNCLOSED, true},
    {"nonsense {\n {{ }\n",
        "1: nonsense: unknown section; sasha-callbackd.conf(5) lists them all\n1: " UNCLOSED, true},
    {"log { } }\n", "1: a } that closes nothing; take it out\n"},
    {"\"log\" { }\n",
        "1: neither a key nor a section begins like this; write key = value, or section { ... }\n"},
    /* What was found before it is reported too. */
    {"server { workrs = 2 }\nlog { level\n",
        "1: server: workrs: unknown key; did you mean \"workers\"?\n2: log: level: " NEITHER},
};

static const struct row values[] = {
    {"server { workers = \"two\" }\n",
        "1: server: workers: \"two\" is not a whole number; write one from 1 to 64\n"},
    {"server { workers = 0 }\n",
        "1: server: workers: \"0\" is out of range; write a number from 1 to 64\n"},
    {"server { workers = -1 }\n",
        "1: server: workers: \"-1\" is not a whole number; write one from 1 to 64\n"},
    {"server { workers = \"\" }\n",
        "1: server: workers: \"\" is not a whole number; write one from 1 to 64\n"},
    {"server { workers = 4294967297 }\n",
        "1: server: workers: \"4294967297\" is out of range; write a number from 1 to 64\n"},
    {"server { max_connections = 65537 }\n",
        "1: server: max_connections: \"65537\" is out of range; write a number from 1 to 65536\n"},
    {"server { max_body = 256k }\n",
        "1: server: max_body: \"256k\" is not a size; write a whole number of bytes, or one with "
        "K, M, G or T, from 1K to 16M\n"},
    {"server { max_body = 17M }\n",
        "1: server: max_body: \"17M\" is out of range; write a size, from 1K to 16M\n"},
    {"server { body_timeout = 30 }\n",
        "1: server: body_timeout: \"30\" is not a duration; write a whole number with ms, s, m, h "
        "or d, from 100ms to 1h\n"},
    {"server { body_timeout = 2h }\n",
        "1: server: body_timeout: \"2h\" is out of range; write a duration, from 100ms to 1h\n"},
    {"store { keep_ids = never }\n",
        "1: store: keep_ids: \"never\" is not a duration; write a whole number with ms, s, m, h or "
        "d, from 1s to 36500d, or \"forever\"\n"},
    {"store { path = relative.db }\n",
        "1: store: path: \"relative.db\" is not an absolute path; begin it with /\n"},
    {"store { path = \"/tmp/\" }\n",
        "1: store: path: \"/tmp/\" is a directory; write the path of a file\n"},
    {"log { level = loud }\n",
        "1: log: level: \"loud\" is not known; write err, warning, info or debug\n"},
    {"log { level = \"a\\n\\e[1m\" }\n",
        "1: log: level: \"a\\n\\x1b[1m\" is not known; write err, warning, info or debug\n"},
    {"log { format = xml }\n",
        "1: log: format: \"xml\" is not known; write auto, journal, text or json\n"},
    {"server { listen = {\"localhost:8480\"} }\n",
        "1: server: listen: \"localhost:8480\" is not an address to listen on; write "
        "127.0.0.1:8480, [::1]:8480 (names are not looked up) or unix:/path\n"},
    {"admin { listen = {\"8480\"} }\n",
        "1: admin: listen: \"8480\" is not an address to listen on; write 127.0.0.1:8480, "
        "[::1]:8480 (names are not looked up) or unix:/path\n"},
};

#define T1 "\"value:" SECRET "\","
#define T8 T1 T1 T1 T1 T1 T1 T1 T1

static const struct row endpoints[] = {
    {"endpoint e { }\n",
        "1: endpoint \"e\": public_url: is missing; this endpoint needs it\n"
        "1: endpoint \"e\": partner_token: is missing; this endpoint needs it\n"
        "1: endpoint \"e\": callback_secret: is missing; write callback_secret \"current\" { "
        "source = \"credential:NAME\" }\n"},
    {"endpoint e { public_url = \"https://u:" SECRET "@h/e\" " TOKEN OTHER "}\n",
        "1: endpoint \"e\": public_url: has a user or password before the host; write the url "
        "without them\n"},
    {"endpoint e { public_url = \"https://h/e?x=1\" " TOKEN OTHER "}\n",
        "1: endpoint \"e\": public_url: has a query (?), which SASHA leaves out of what it signs; "
        "write the url without it\n"},
    {"endpoint e { public_url = \"https://h/e#x\" " TOKEN OTHER "}\n",
        "1: endpoint \"e\": public_url: has a fragment (#), which SASHA leaves out of what it "
        "signs; write the url without it\n"},
    {"endpoint e { public_url = \"https://h/healthz\" " TOKEN OTHER "}\n",
        "1: endpoint \"e\": public_url: its path is /healthz, which answers health checks; choose "
        "another path\n"},
    {E("path = /healthz"), "1: endpoint \"e\": path: \"/healthz\" is /healthz, which answers "
                           "health checks; choose another path\n"},
    {E("path = cb"), "1: endpoint \"e\": path: \"cb\" does not begin with /; write the path the "
                     "proxy passes on\n"},
    {E("path = \"/a b\""), "1: endpoint \"e\": path: \"/a b\" has a byte that a path cannot have; "
                           "use visible ASCII without ? and #, other bytes as %XX\n"},
    {E("path = \"/a?b\""), "1: endpoint \"e\": path: \"/a?b\" has a byte that a path cannot have; "
                           "use visible ASCII without ? and #, other bytes as %XX\n"},
    {"server { keep_refused = 10001 }\n",
        "1: server: keep_refused: \"10001\" is out of range; write a number from 0 to 10000\n"},
    {E("verify = off"),
        "1: endpoint \"e\": verify: \"off\" is not known; write enforce or report\n"},
    {URL OTHER "partner_token = {" T8 T8 "\"value:" SECRET "\"} }\n",
        "1: endpoint \"e\": partner_token: has 17 values; at most 16 are possible\n"},
    {E("max_age = 12"), "1: endpoint \"e\": max_age: \"12\" is not a duration; write a whole "
                        "number with ms, s, m, h or d, from 1s to 36500d, or \"none\"\n"},
    {URL OTHER "partner_token = {} }\n",
        "1: endpoint \"e\": partner_token: is empty; write at least one value\n"},
    {URL OTHER "partner_token = {\"none\", \"value:" SECRET "\"} }\n",
        "1: endpoint \"e\": partner_token: \"none\" stands beside other values; write {\"none\"} "
        "alone to ask for no token\n"},
    {URL OTHER "partner_token = {\"" SECRET "\"} }\n",
        "1: endpoint \"e\": partner_token: does not say where the secret is; write "
        "credential:NAME, file:PATH, env:NAME or value:TEXT\n"},
    {URL OTHER "partner_token = {\"value:\"} }\n",
        "1: endpoint \"e\": partner_token: value: is empty; put the secret there\n"},
    {URL OTHER "partner_token = {\"value:" SECRET " x\"} }\n",
        "1: endpoint \"e\": partner_token: the token has a blank, a control character or a byte "
        "that is not ASCII; a token has none\n"},
    {URL TOKEN "callback_secret s { } }\n", "1: endpoint \"e\": callback_secret \"s\": source: is "
                                            "missing; this callback_secret needs it\n"},
    {URL TOKEN "callback_secret s { source = \"" SECRET "\" } }\n",
        "1: endpoint \"e\": callback_secret \"s\": source: does not say where the secret is; write "
        "credential:NAME, file:PATH, env:NAME or value:TEXT\n"},
    {URL TOKEN "callback_secret s { source = \"value:" SECRET "\" } }\n",
        "1: endpoint \"e\": callback_secret \"s\": source: the secret is neither 64 hex digits nor "
        "base64 of 32 bytes (it is 19 characters long); set encoding to \"base64\", \"hex\" or "
        "\"raw\"\n"},
    {URL TOKEN "callback_secret s { source = \"value:hush-hush-hush\" encoding = raw } }\n",
        "1: endpoint \"e\": callback_secret \"s\": source: the secret is a key of 14 bytes; at "
        "least 16 are needed\n"},
    {URL TOKEN "callback_secret s { source = \"value:00112233445566\" encoding = hex } }\n",
        "1: endpoint \"e\": callback_secret \"s\": source: the secret is a key of 7 bytes; at "
        "least 16 are needed\n"},
    {URL TOKEN "callback_secret s { source = \"value:" SECRET "!\" encoding = base64 } }\n",
        "1: endpoint \"e\": callback_secret \"s\": source: the secret character 5 of 20 is no "
        "base64 digit; write it exactly as SASHA gave it\n"},
    {URL TOKEN "callback_secret s { source = \"value:" KEY_HEX_2 "\" encoding = md5 } }\n",
        "1: endpoint \"e\": callback_secret \"s\": encoding: \"md5\" is not known; write auto, "
        "base64, hex or raw\n"},
    {URL TOKEN "callback_secret s { source = \"value:" KEY_HEX_2 "\" id = \"a b\" } }\n",
        "1: endpoint \"e\": callback_secret \"s\": id: \"a b\" is not an id; write SASHA's "
        "Callback Secret ID, 1 to 128 visible ASCII characters\n"},
    {URL TOKEN "callback_secret a { source = \"value:" KEY_HEX_2 "\" id = i }\n"
               "callback_secret b { source = \"value:0123456789abcdef!\" encoding = raw id = i } "
               "}\n",
        "2: endpoint \"e\": callback_secret \"b\": id: is the id of callback_secret \"a\" too; "
        "each "
        "secret has its own\n"},
    {URL TOKEN "callback_secret a { source = \"value:" KEY_HEX_2 "\" }\n"
               "callback_secret b { source = \"value:" KEY_HEX_2 "\" encoding = hex } }\n",
        "2: endpoint \"e\": callback_secret \"b\": source: is the same secret as callback_secret "
        "\"a\"; leave one of them out\n"},
    {"endpoint e { public_url = \"https://other/cb\" " TOKEN OTHER "}\n",
        "3: endpoint \"good\": public_url: its path is \"/cb\", as of endpoint \"e\"; give each "
        "endpoint its own path\n"},
    {E("path = /cb") "endpoint f {\n public_url = \"https://h/f\"\n path = /cb " TOKEN
                     "callback_secret s { source = 'value:" KEY_HEX "' } }\n",
        "4: endpoint \"f\": path: is \"/cb\", as of endpoint \"e\"; give each endpoint its own "
        "path\n6: endpoint \"good\": public_url: its path is \"/cb\", as of endpoint \"e\"; give "
        "each endpoint its own path\n"
        "6: endpoint \"good\": public_url: its path is \"/cb\", as of endpoint \"f\"; give each "
        "endpoint its own path\n"},
    {"endpoint e { public_url = \"https://good.example/cb\" path = /e " TOKEN OTHER "}\n",
        "3: endpoint \"good\": public_url: is that of endpoint \"e\" too; give each endpoint its "
        "own url\n"},
    {"endpoint e { public_url = \"https://good.example/cb2\" " TOKEN
     "callback_secret s { source = \"value:" KEY_HEX "\" } }\n",
        "3: endpoint \"good\": public_url: one of this url and that of endpoint \"e\" is a prefix "
        "of the other, and both accept the same secret; use other urls or other secrets\n"},
    /* A prefix alone confuses nobody. */
    {"endpoint e { public_url = \"https://good.example/cb2\" " TOKEN OTHER "}\n", ""},
    /* The same key in base64. */
    {"endpoint e { public_url = \"https://good.example/\" " TOKEN
     "callback_secret s { source = 'value:ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8=' } }\n",
        "3: endpoint \"good\": public_url: one of this url and that of endpoint \"e\" is a prefix "
        "of the other, and both accept the same secret; use other urls or other secrets\n"},
    {"store { keep_ids = 30d }\n" E("max_age = 31d"),
        "2: endpoint \"e\": max_age: is longer than keep_ids in section store; set it to 30d or "
        "less\n"
        "3: endpoint \"good\": max_age: is none, but keep_ids in section store is 30d; set max_age "
        "to 30d or less, or keep_ids to \"forever\"\n"},
};

static const struct row sinks[] = {
    {"sink s { }\n", "1: sink \"s\": type: is missing; this sink needs it\n"},
    {"sink s { type = pigeon command = {x} path = y }\n",
        "1: sink \"s\": type: \"pigeon\" is not a type of sink; write exec, file or syslog\n"},
    {"sink s { type = exec }\n", "1: sink \"s\": command: is missing; this sink needs it\n"},
    {"sink s { type = exec command = {} }\n",
        "1: sink \"s\": command: is empty; write at least one value\n"},
    {"sink s { type = exec command = {publish} }\n",
        "1: sink \"s\": command: the program is not given by an absolute path; begin it with / (no "
        "shell and no PATH look it up)\n"},
    {"sink s { type = file path = /x command = {x} target = local concurrency = 2\n order = none }"
     "\n",
        "1: sink \"s\": command: is for exec sinks; this one is a file sink\n"
        "1: sink \"s\": target: is for syslog sinks; this one is a file sink\n"
        "1: sink \"s\": concurrency: is for exec sinks; this one is a file sink\n"
        "2: sink \"s\": order: is for exec sinks; this one is a file sink\n"},
    {"sink s { type = file path = /x timeout = 1s }\n",
        "1: sink \"s\": timeout: is for exec and syslog sinks; this one is a file sink\n"},
    {"sink s { type = syslog timeout = 1s grace = 1s }\n",
        "1: sink \"s\": grace: is for exec sinks; this one is a syslog sink\n"},
    {"sink s { type = exec command = {\"/x\"} path = /y }\n",
        "1: sink \"s\": path: is for file sinks; this one is an exec sink\n"},
    {"sink s { type = syslog endpoints = {\"good\", \"bad\"} }\n",
        "1: sink \"s\": endpoints: there is no endpoint \"bad\"; write the name of one, or leave "
        "the key out for all\n"},
    {"sink s { type = syslog statuses = {\"\"} }\n",
        "1: sink \"s\": statuses: \"\" cannot match anything; write visible ASCII characters, no "
        "blanks\n"},
    {"sink s { type = syslog retry_first = 2h }\n",
        "1: sink \"s\": retry_first: is longer than retry_max; set it to retry_max or less\n"},
    {"sink s { type = syslog retry_attempts = 0 }\n",
        "1: sink \"s\": retry_attempts: \"0\" is out of range; write a number from 1 to 10000\n"},
    {"sink s { type = exec command = {\"/x\"} concurrency = 257 }\n",
        "1: sink \"s\": concurrency: \"257\" is out of range; write a number from 1 to 256\n"},
    {"sink s { type = exec command = {\"/x\"} user_env = {\"" SECRET "\"} }\n",
        "1: sink \"s\": user_env: has an entry without '='; write NAME=value\n"},
    {"sink s { type = exec command = {\"/x\"} user_env = {\"=" SECRET "\"} }\n",
        "1: sink \"s\": user_env: has an entry without a name; write NAME=value\n"},
    {"sink s { type = exec command = {\"/x\"} user_env = {\"A B=" SECRET "\"} }\n",
        "1: sink \"s\": user_env: has a name that is not letters, digits and _; write "
        "NAME=value\n"},
    {"sink s { type = exec command = {\"/x\"} user_env = {\"SASHA_X=" SECRET "\"} }\n",
        "1: sink \"s\": user_env: sets a SASHA_ variable; these come from the callback, choose "
        "another name\n"},
    {"sink s { type = exec command = {\"/x\"} user_env = {\"A=1\", \"AB=1\", \"A=2\"} }\n",
        "1: sink \"s\": user_env: sets A twice; leave one of them out\n"},
    {"sink s { type = file path = jobs.jsonl }\n",
        "1: sink \"s\": path: \"jobs.jsonl\" is not an absolute path; begin it with /\n"},
    {"sink s { type = file path = \"/x/{job_id}/y\" }\n",
        "1: sink \"s\": path: \"/x/{job_id}/y\" may hold {job_id} once, after the last slash, and "
        "no other brace\n"},
    {"sink s { type = file path = \"/x/{id}\" }\n",
        "1: sink \"s\": path: \"/x/{id}\" may hold {job_id} once, after the last slash, and no "
        "other brace\n"},
    {"sink s { type = file path = \"/x/{job_id}{job_id}\" }\n",
        "1: sink \"s\": path: \"/x/{job_id}{job_id}\" may hold {job_id} once, after the last "
        "slash, and no other brace\n"},
    {"sink a { type = file path = /x }\nsink b { type = file path = /x }\n",
        "2: sink \"b\": path: is that of sink \"a\" too; give each sink its own file\n"},
    {"sink s { type = file path = /var/lib/sasha-callbackd/deliveries.db }\n",
        "1: sink \"s\": path: is that of the store; give the sink its own file\n"},
    {"sink s { type = file path = /x mode = 0646 }\n",
        "1: sink \"s\": mode: \"0646\" is not fit for a log file; the owner must read and write, "
        "others may read at most, as 0640\n"},
    {"sink s { type = file path = /x mode = rw }\n",
        "1: sink \"s\": mode: \"rw\" is not a file mode; write octal digits, as 0640\n"},
    {"sink s { type = syslog target = \"log.example\" }\n",
        "1: sink \"s\": target: \"log.example\" is no syslog target; write local, local:/path, "
        "udp:host:port or tcp:host:port\n"},
    {"sink s { type = syslog target = \"local:log\" }\n",
        "1: sink \"s\": target: \"local:log\" has no absolute path; write local:/path of the "
        "syslog socket\n"},
    {"sink s { type = syslog facility = local8 }\n",
        "1: sink \"s\": facility: \"local8\" is not known; write kern, user, mail, daemon, auth, "
        "syslog, lpr, news, uucp, cron, authpriv, ftp, local0, local1, local2, local3, local4, "
        "local5, local6 or local7\n"},
    {"sink s { type = syslog tag = \"a:b\" }\n",
        "1: sink \"s\": tag: \"a:b\" is not a tag; write 1 to 32 of the characters A-Z a-z 0-9 _ . "
        "-\n"},
    {"sink s { type = exec command = {\"/x\"} order = any }\n",
        "1: sink \"s\": order: \"any\" is not known; write job or none\n"},
    {"sink s { type = syslog stale = drop protocol = rfc1 format = xml }\n",
        "1: sink \"s\": stale: \"drop\" is not known; write deliver or skip\n"
        "1: sink \"s\": protocol: \"rfc1\" is not known; write rfc5424 or rfc3164\n"
        "1: sink \"s\": format: \"xml\" is not known; write text or json\n"},
};

#define ROWS_TEST(rows)                          \
    START_TEST(refuses_##rows)                   \
    {                                            \
        check_row(&rows[_i], CONFIG_FOR_CLIENT); \
    }                                            \
    END_TEST

ROWS_TEST(unknown)
ROWS_TEST(twice)
ROWS_TEST(shapes)
ROWS_TEST(syntax)
ROWS_TEST(values)
ROWS_TEST(endpoints)
ROWS_TEST(sinks)

/* ---- the file and the list as a whole ---- */

/* The 17th is where the fault stands. */
START_TEST(refuses_too_many_secrets)
{
    struct buf text = BUF_INIT;
    char *got;

    buf_append_text(&text, "endpoint e { public_url = \"https://h/e\" partner_token = none\n");
    for (int i = 0; i < 16 + _i; i++)
        buf_append_format(&text, "callback_secret s%d { source = \"value:%064d\" }\n", i, i + 1);
    buf_append(&text, "}\n", 3);
    put_conf((char *)text.data, 0600);
    buf_done(&text);
    got = load_faults(CONFIG_FOR_CLIENT);
    ck_assert_str_eq(got, _i == 0
                              ? ""
                              : "c.conf:18: endpoint \"e\": callback_secret \"s16\": is one too "
                                "many; an endpoint has at most 16 secrets, so leave out what "
                                "is not used any more\n");
    free(got);
}
END_TEST

/* Who talks to the daemon asks for the admin socket only: no secret is read, no other fault counts.
 */
static const struct {
    const char *text, *want; /* without "c.conf:" */
    const char *want_listen;
} admin_rows[] = {
    {"", "", "unix:/run/sasha-callbackd/admin.sock"},
    {"admin { listen = {\"unix:/a\", \"127.0.0.1:1\"} }\n"
     "server { workers = 0 wrkers = 1 }\n"
     "endpoint e { partner_token = {\"file:/none\"} callback_secret s { source = \"file:/none\" } "
     "}\n"
     "sink s { type = exec command = {\"/none\"} }\n",
        "", "unix:/a"},
    {"server { listen = {\"127.0.0.1:1\"} }\nadmin { listen = {\"127.0.0.1:1\"} }\n", "",
        "127.0.0.1:1"},
    {"admin { listen = {\"here\"} }\n",
        "1: admin: listen: \"here\" is not an address to listen on; write 127.0.0.1:8480, "
        "[::1]:8480 (names are not looked up) or unix:/path\n",
        NULL},
    {"server { wrkers = 1 }\nadmin { lsten = {\"unix:/a\"} }\n",
        "2: admin: lsten: unknown key; did you mean \"listen\"?\n", NULL},
    {"admin { }\nadmin { listen = {\"unix:/a\"} }\n",
        "2: admin: is given twice, first in line 1; put all its keys in one section\n", NULL},
    {"endpoint e {\n",
        "1: endpoint \"e\": the section that begins here is not closed; add } after its last key\n",
        NULL},
};

START_TEST(admin_asks_for_its_socket_only)
{
    char *want = expected(admin_rows[_i].want), *got;
    struct config *config;

    put_conf(admin_rows[_i].text, 0644);
    got = load_faults(CONFIG_FOR_ADMIN);
    ck_assert_str_eq(got, want);
    if (admin_rows[_i].want_listen) {
        config = load_good(CONFIG_FOR_ADMIN);
        ck_assert_str_eq(config->admin.listen.texts[0], admin_rows[_i].want_listen);
        ck_assert_uint_eq(config->n_endpoints, 0);
        config_free(config);
    }
    free(want);
    free(got);
}
END_TEST

START_TEST(says_why_a_file_cannot_be_read)
{
    char *large = calloc(1, (1u << 20) + 1);
    char *got = load_faults(CONFIG_FOR_CLIENT);

    ck_assert_str_eq(got, "c.conf: cannot be opened: No such file or directory; name the conf file "
                          "with --config\n");
    free(got);

    ck_assert_int_eq(mkdir("c.conf", 0700), 0);
    got = load_faults(CONFIG_FOR_CLIENT);
    ck_assert_str_eq(got, "c.conf: is not a regular file; name the conf file with --config\n");
    free(got);
    ck_assert_int_eq(rmdir("c.conf"), 0);

    memset(large, '#', (1u << 20) + 1);
    put_file("c.conf", large, (1u << 20) + 1, 0600);
    got = load_faults(CONFIG_FOR_CLIENT);
    ck_assert_str_eq(
        got, "c.conf: is larger than 1048576 bytes; name the conf file with --config\n");
    free(got);
    free(large);
}
END_TEST

START_TEST(refuses_a_nul_byte)
{
    static const char text[] = "log { level = \"in\0fo\" }\n" ENDPOINT;
    char *got;

    put_file("c.conf", text, sizeof(text) - 1, 0600);
    got = load_faults(CONFIG_FOR_CLIENT);
    ck_assert_str_eq(got, "c.conf:1: log: level: " NUL);
    free(got);
}
END_TEST

START_TEST(reports_everything_in_one_run_by_line)
{
    char *got;

    put_conf("sink hook {\n"
             "  type = exec\n"
             "  command = {\"@T/none\"}\n"
             "  tmeout = 3s\n"
             "}\n"
             "log { level = loud }\n"
             "endpoint e {\n"
             "  public_url = \"https://h/e?q\"\n"
             "  partner_token = {\"value:\"}\n"
             "  callback_secret s { source = \"value:" SECRET "\" }\n"
             "}\n"
             "server { workers = 0 \n wrkers = 1 }\n"
             "store { path = \"@T/x.db\" keep_deliveries = \"30 days\" }\n",
        0600);
    got = load_faults(CONFIG_FOR_DAEMON);
    for (int line = 0, at = 0; line < 9; line++) {
        static const int want_lines[] = {3, 4, 6, 8, 9, 10, 12, 13, 14};
        char start[32];

        snprintf(start, sizeof(start), "c.conf:%d: ", want_lines[line]);
        ck_assert_msg(strncmp(got + at, start, strlen(start)) == 0, "%s%s", start, got);
        at = (int)(strchr(got + at, '\n') - got) + 1;
        if (line == 8)
            ck_assert_int_eq(got[at], '\0');
    }
    free(got);
}
END_TEST

START_TEST(shows_a_bounded_number)
{
    struct buf text = BUF_INIT;
    char *got;
    size_t lines = 0;
    struct config_faults faults = CONFIG_FAULTS_INIT;
    struct config *config = NULL;

    buf_append_text(&text, "log {\n");
    for (int i = 0; i < 1000; i++)
        buf_append_format(&text, "nonsense_%d = 1\n", i);
    buf_append_text(&text, "}\n" ENDPOINT);
    put_file("c.conf", text.data, text.length, 0600);
    ck_assert_int_lt(config_load("c.conf", CONFIG_FOR_CLIENT, &config, &faults), 0);
    ck_assert_ptr_null(config);
    ck_assert_uint_eq(faults.n, 1000);
    buf_append(&faults.text, "", 1);
    got = (char *)faults.text.data;
    for (const char *at = got; (at = strchr(at, '\n')); at++)
        lines++;
    ck_assert_uint_eq(lines, 201);
    ck_assert_ptr_nonnull(strstr(got, "c.conf: and 800 more\n"));
    config_faults_done(&faults);
    buf_done(&text);
}
END_TEST

static Suite *faults_suite(void)
{
    Suite *suite = suite_create("config-faults");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");

    tcase_add_checked_fixture(core, folder_make, folder_remove);
    tcase_add_test(core, reports_everything_in_one_run_by_line);
    tcase_add_loop_test(core, refuses_too_many_secrets, 0, 2);
    tcase_add_loop_test(core, admin_asks_for_its_socket_only, 0, (int)ARRAY_SIZE(admin_rows));
    tcase_add_test(core, says_why_a_file_cannot_be_read);
    suite_add_tcase(suite, core);

    tcase_add_checked_fixture(limits, folder_make, folder_remove);
    tcase_add_test(limits, shows_a_bounded_number);
    tcase_add_test(limits, refuses_a_nul_byte);
    suite_add_tcase(suite, limits);

    tcase_add_checked_fixture(errors, folder_make, folder_remove);
    tcase_add_loop_test(errors, refuses_unknown, 0, (int)ARRAY_SIZE(unknown));
    tcase_add_loop_test(errors, refuses_twice, 0, (int)ARRAY_SIZE(twice));
    tcase_add_loop_test(errors, refuses_shapes, 0, (int)ARRAY_SIZE(shapes));
    tcase_add_loop_test(errors, refuses_syntax, 0, (int)ARRAY_SIZE(syntax));
    tcase_add_loop_test(errors, refuses_values, 0, (int)ARRAY_SIZE(values));
    tcase_add_loop_test(errors, refuses_endpoints, 0, (int)ARRAY_SIZE(endpoints));
    tcase_add_loop_test(errors, refuses_sinks, 0, (int)ARRAY_SIZE(sinks));
    suite_add_tcase(suite, errors);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(faults_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
