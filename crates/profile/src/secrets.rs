//! Commands without what should not be in a file that is passed on.

/// What is written in place of a secret.
const HIDDEN: &str = "***";

/// Words of options whose values are secrets.
const NAMES: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api-key",
    "api_key",
    "apikey",
    "credential",
];

/// The words of a command, with the values of options such as `--password` replaced.
pub fn hidden<'w>(words: impl IntoIterator<Item = &'w str>) -> Vec<String> {
    let mut follows = false;
    let hide = |word: &str| {
        let (name, value) = word
            .split_once('=')
            .map_or((word, None), |(n, v)| (n, Some(v)));
        let lower = name.to_lowercase();
        let is_secret = NAMES.iter().any(|secret| lower.contains(secret));
        if std::mem::take(&mut follows) && !word.starts_with('-') {
            return HIDDEN.to_owned();
        }
        if is_secret && value.is_some() {
            return format!("{name}={HIDDEN}");
        }
        follows = is_secret && word.starts_with('-');
        word.to_owned()
    };
    words.into_iter().map(hide).collect()
}

#[cfg(test)]
mod tests {
    use super::hidden;

    #[test]
    fn values_of_options_are_hidden() {
        let words = [
            "a.py",
            "--password",
            "x",
            "--api-key=y",
            "TOKEN=z",
            "--token",
            "-v",
            "w",
        ];
        assert_eq!(
            hidden(words).join(" "),
            "a.py --password *** --api-key=*** TOKEN=*** --token -v w"
        );
    }
}
