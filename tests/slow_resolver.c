/* A name service that tests can spoil, put before the C library's own by LD_PRELOAD.

   The name "database.test" has the address in the file that RESOLVER_ADDRESS names, after RESOLVER_SECONDS of waiting;
   each time that it is asked for, a byte is added to the file RESOLVER_ASKED. All other names are the library's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    resolver *library = (resolver *)dlsym(RTLD_NEXT, "getaddrinfo");
    char address[64] = "";
    FILE *file;

    if (name == NULL || strcmp(name, "database.test") != 0)
        return library(name, service, hints, found);
    if ((file = fopen(getenv("RESOLVER_ASKED"), "a")) != NULL) {
        fputc('.', file);
        fclose(file);
    }
    usleep((useconds_t)(atof(getenv("RESOLVER_SECONDS")) * 1e6));
    if ((file = fopen(getenv("RESOLVER_ADDRESS"), "r")) == NULL)
        return EAI_NONAME;
    if (fgets(address, sizeof address, file) == NULL)
        address[0] = '\0';
    fclose(file);
    return library(address, service, hints, found);
}
