// fuzz_jwt.c - any text as a token: refused, whoever signed it.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/jwt.h"

static bool some_key(void *context, const char *kid, uint8_t public_key[JWT_KEY_BYTES],
                     char issuer[JWT_NAME_BYTES])
{
    (void)context;
    (void)kid;
    memset(public_key, 7, JWT_KEY_BYTES);
    strcpy(issuer, "identity");
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct jwt_claims claims;
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    assert(jwt_verify(&claims, text, some_key, NULL, 1000, &err) != NOVA_OK && err.text[0] != '\0');
    free(text);
    return 0;
}
