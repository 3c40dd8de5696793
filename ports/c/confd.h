/* The messages of the confd protocol, for languages that can call C. The library is
 *
 *	go build -buildmode=c-shared -o libconfd.so ./ports/c
 *
 * Its functions may be called from any thread. Texts end with a zero byte. */
#ifndef CONFD_H
#define CONFD_H

#include <stddef.h>
#include <stdint.h>

/* What a function makes. confd_free frees it, after success and after failure. */
struct confd_result {
	char *error; /* what went wrong, else NULL */
	char *data;  /* the datagram, or the JSON text of the reply; NULL after a failure */
	size_t size; /* bytes of data, without the zero byte behind them */
};

#ifndef CONFD_TYPES_ONLY

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the signed datagram of a request. key is all of hmac.key; request is JSON, as
 * {"protocol": 1, "type": 0, "rsalt": "..."}; now is in seconds since 1970. Returns 0, or -1
 * and sets error. */
int confd_seal(const void *key, size_t key_size, const char *request, int64_t now, struct confd_result *result);

/* Verifies a datagram and makes the JSON text of the reply in it: an object with protocol,
 * status, answer and serial. It must be the reply to the request with this rsalt. Returns 0, or
 * -1 and sets error: then ignore the datagram and wait for another. */
int confd_open(const void *key, size_t key_size, const void *datagram, size_t size, const char *rsalt, struct confd_result *result);

/* Makes the library's version. */
int confd_version(struct confd_result *result);

/* Frees what is in a result, but not the result. */
void confd_free(struct confd_result *result);

#ifdef __cplusplus
}
#endif

#endif
#endif
