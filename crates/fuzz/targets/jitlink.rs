//! llvm-jitlink's command line, as the command parses it.

#[path = "../../cli/src/jitlink/options.rs"]
#[allow(dead_code, reason = "the parser alone is of interest")]
mod options;

/// What the parser says of what it refuses.
mod failure {
    #[derive(Debug)]
    pub(super) struct Failure(String);

    pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

    impl Failure {
        pub(super) fn usage(message: impl Into<String>) -> Self {
            Self(message.into())
        }
    }

    impl std::fmt::Display for Failure {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.0)
        }
    }
}

pub(super) fn parse(words: Vec<String>) {
    if let Err(failure) = options::Options::parse(words) {
        assert!(!failure.to_string().is_empty());
    }
}
