// More data and zeros.
static int data = 2, zeros;

const char *address_of_other_data(void) {
    data++;
    return (const char *)&data;
}

const char *address_of_other_zeros(void) {
    zeros++;
    return (const char *)&zeros;
}
