struct Say {
    const char *text;
    bool leave;
    Say(const char *text, bool leave) : text(text), leave(leave) { puts(text); }
    ~Say() { if (leave) printf("~%s\n", text); }
};
