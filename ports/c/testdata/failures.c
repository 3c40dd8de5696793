/* Calls every function with what it must refuse, and some that it must not. With LEAK it frees
 * nothing. */
#include <stdio.h>
#include <string.h>

#include "confd.h"

static int failures;

/* Checks that a call failed with a certain text, or succeeded when that is NULL. */
static void expect(const char *what, int code, struct confd_result *result, const char *text)
{
	int good = text == NULL ? code == 0 && result->error == NULL && result->data != NULL && strlen(result->data) == result->size
				: code == -1 && result->data == NULL && result->error != NULL && strstr(result->error, text) != NULL;
	if (!good) {
		fprintf(stderr, "%s: code %d, error %s, data %s\n", what, code, result->error, result->data);
		failures++;
	}
#ifndef LEAK
	confd_free(result);
	confd_free(result); /* twice does no harm */
#endif
}

int main(void)
{
	static const char request[] = "{\"protocol\": 1, \"type\": 0, \"rsalt\": \"r\"}";
	/* The reply in "Two requests, byte by byte" of spec/README.md. */
	static const char key[] = "b4a0f2d1c3e5968778695a4b3c2d1e0f01234567\n";
	static const char rsalt[] = "9a7f3c52-1d7e-4f6b-8a57-0c2d9e4b6f10";
	static const char reply[] = "plj0{\"msg\": \"{\\\"protocol\\\":1,\\\"status\\\":0,\\\"answer\\\":0,\\\"serial\\\":77}\", "
				    "\"salt\": \"9a7f3c52-1d7e-4f6b-8a57-0c2d9e4b6f10\", \"hmac\": \"52db48a4808c340f64e3dd5281801abc2a487b98\"}";
	static char large[61441];
	struct confd_result r;
	size_t size = sizeof key - 1;

	expect("version", confd_version(&r), &r, NULL);
	expect("a request", confd_seal(key, size, request, 1700000000, &r), &r, NULL);
	expect("no key", confd_seal(key, 0, request, 1700000000, &r), &r, "key");
	expect("no JSON", confd_seal(key, size, "{", 1700000000, &r), &r, "request");
	expect("an unknown type", confd_seal(key, size, "{\"protocol\": 1, \"type\": 12, \"rsalt\": \"r\"}", 0, &r), &r, "request");
	expect("more than a request", confd_seal(key, size, "{\"protocol\": 1, \"type\": 0, \"rsalt\": \"r\"} {}", 0, &r), &r, "request");

	expect("a reply", confd_open(key, size, reply, sizeof reply - 1, rsalt, &r), &r, NULL);
	expect("another rsalt", confd_open(key, size, reply, sizeof reply - 1, "r", &r), &r, "another request");
	expect("another key", confd_open(key, size - 1, reply, sizeof reply - 1, rsalt, &r), &r, "signature");
	expect("a cut reply", confd_open(key, size, reply, sizeof reply - 2, rsalt, &r), &r, "");
	expect("nothing", confd_open(key, size, NULL, 0, rsalt, &r), &r, "plj0");
	expect("too much", confd_open(key, size, large, sizeof large, rsalt, &r), &r, "too large");
	return failures != 0;
}
