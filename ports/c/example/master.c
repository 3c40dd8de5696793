/* Asks a daemon for the cluster's master, and prints the reply: master ADDRESS PORT KEYFILE
 *
 *	cc -I ports/c ports/c/example/master.c -L . -lconfd -o master */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "confd.h"

static int fail(const char *what)
{
	fprintf(stderr, "master: %s\n", what);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return fail("usage: master ADDRESS PORT KEYFILE");

	char key[4096];
	FILE *file = fopen(argv[3], "rb");
	if (file == NULL)
		return fail("cannot read the key");
	size_t key_size = fread(key, 1, sizeof key, file);
	fclose(file);

	struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1 || connect(udp, (struct sockaddr *)&server, sizeof server) != 0)
		return fail("cannot connect");
	struct timeval patience = {.tv_sec = 10};
	setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

	char rsalt[32], request[128];
	snprintf(rsalt, sizeof rsalt, "%ld-%ld", (long)getpid(), (long)time(NULL));
	snprintf(request, sizeof request, "{\"protocol\": 1, \"type\": 3, \"rsalt\": \"%s\"}", rsalt);

	struct confd_result sealed, opened;
	if (confd_seal(key, key_size, request, (int64_t)time(NULL), &sealed) != 0) {
		fail(sealed.error);
		confd_free(&sealed);
		return 1;
	}
	send(udp, sealed.data, sealed.size, 0);
	confd_free(&sealed);

	static char datagram[65536];
	int found = 0;
	ssize_t size;
	while (!found && (size = recv(udp, datagram, sizeof datagram, 0)) >= 0) {
		found = confd_open(key, key_size, datagram, (size_t)size, rsalt, &opened) == 0;
		if (found)
			puts(opened.data);
		else
			fail(opened.error);
		confd_free(&opened);
	}
	close(udp);
	return found ? 0 : fail("no reply");
}
