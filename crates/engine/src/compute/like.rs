//! `LIKE` as Postgres matches it (utils/adt/like_match.c): `%` is any text, `_` any one character,
//! `\` takes the next character as it is. Under a deterministic collation texts match by bytes.

use memchr::memmem;

use super::Raised;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pattern {
    /// No wildcard.
    Equal(Vec<u8>),
    /// `literal%`
    Prefix(Vec<u8>),
    /// `%literal`
    Suffix(Vec<u8>),
    /// `%literal%`
    Contains(Vec<u8>),
    /// Anything else.
    Tokens(Vec<Token>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    /// This byte.
    Byte(u8),
    /// Any one character.
    One,
    /// Any text.
    Many,
    /// A backslash with nothing after it: an error, but only if matching gets there.
    BareEscape,
}

impl Pattern {
    /// Compiles a pattern.
    pub(crate) fn new(pattern: &str) -> Self {
        let tokens = tokens(pattern);
        let literal = |tokens: &[Token]| -> Option<Vec<u8>> {
            let byte = |token: &Token| match token {
                Token::Byte(byte) => Some(*byte),
                _ => None,
            };
            tokens.iter().map(byte).collect()
        };
        let simple = match tokens.as_slice() {
            [Token::Many, middle @ .., Token::Many] => literal(middle).map(Self::Contains),
            [Token::Many, end @ ..] => literal(end).map(Self::Suffix),
            [start @ .., Token::Many] => literal(start).map(Self::Prefix),
            all => literal(all).map(Self::Equal),
        };
        simple.unwrap_or(Self::Tokens(tokens))
    }

    /// Whether a text matches.
    ///
    /// # Errors
    /// [`Raised::LikeEscape`]
    pub(crate) fn matches(&self, text: &[u8]) -> Result<bool, Raised> {
        Ok(match self {
            Self::Equal(literal) => text == literal.as_slice(),
            Self::Prefix(literal) => text.starts_with(literal),
            Self::Suffix(literal) => text.ends_with(literal),
            Self::Contains(literal) => memmem::find(text, literal).is_some(),
            Self::Tokens(tokens) => return matches(text, tokens),
        })
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        tokens.push(match byte {
            b'%' => Token::Many,
            b'_' => Token::One,
            b'\\' => bytes.next().map_or(Token::BareEscape, Token::Byte),
            other => Token::Byte(other),
        });
    }
    tokens
}

/// Matches from left to right; where that fails, the last `%` takes one character more. An earlier
/// `%` need never do so: what follows it was found at its first place already.
fn matches(text: &[u8], tokens: &[Token]) -> Result<bool, Raised> {
    let (mut at, mut next) = (0, 0);
    let mut last_many: Option<(usize, usize)> = None;
    while at < text.len() {
        let fits = match tokens.get(next) {
            Some(Token::Byte(byte)) if text[at] == *byte => {
                at += 1;
                true
            }
            Some(Token::One) => {
                at += character(text, at);
                true
            }
            Some(Token::Many) => {
                while let Some(token @ (Token::Many | Token::One)) = tokens.get(next) {
                    next += 1;
                    if *token == Token::One {
                        if at == text.len() {
                            return Ok(false);
                        }
                        at += character(text, at);
                    }
                }
                match tokens.get(next) {
                    None => return Ok(true),
                    Some(Token::BareEscape) => return Err(Raised::LikeEscape),
                    Some(_) => last_many = Some((next, at)),
                }
                continue;
            }
            Some(Token::BareEscape) => return Err(Raised::LikeEscape),
            Some(Token::Byte(_)) | None => false,
        };
        if fits {
            next += 1;
            continue;
        }
        let Some((after, from)) = last_many else {
            return Ok(false);
        };
        at = from + character(text, from);
        next = after;
        last_many = Some((after, at));
    }
    Ok(tokens[next..].iter().all(|token| *token == Token::Many))
}

/// The length of the UTF-8 character that begins here.
fn character(text: &[u8], at: usize) -> usize {
    let rest = &text[(at + 1).min(text.len())..];
    1 + rest.iter().take_while(|byte| **byte & 0xc0 == 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(text: &str, pattern: &str) -> Result<bool, Raised> {
        Pattern::new(pattern).matches(text.as_bytes())
    }

    #[test]
    fn wildcards_match_as_in_postgres() {
        for (text, pattern, answer) in [
            ("", "", true),
            ("", "%", true),
            ("", "_", false),
            ("a", "", false),
            ("abc", "abc", true),
            ("abc", "a_c", true),
            ("aéc", "a_c", true),
            ("a😀c", "a__c", false),
            ("abcbc", "a%bc", true),
            ("abcbd", "a%bc", false),
            ("a%c", r"a\%c", true),
            ("abc", r"a\%c", false),
            (r"a\c", r"a\\c", true),
            ("a_c", r"a\_c", true),
            ("banana", "%an%an%", true),
            ("banana", "%an%an%an%", false),
            ("banana", "b%_a", true),
            ("b", "b%_", false),
            ("bé", "b%_", true),
        ] {
            assert_eq!(like(text, pattern), Ok(answer), "{text:?} LIKE {pattern:?}");
        }
    }

    #[test]
    fn a_bare_escape_is_an_error_only_where_matching_gets_to_it() {
        assert_eq!(like("abc", r"ab\"), Err(Raised::LikeEscape));
        assert_eq!(like("ab", r"ab\"), Ok(false));
        assert_eq!(like("xyz", r"ab\"), Ok(false));
        assert_eq!(like("abc", r"%\"), Err(Raised::LikeEscape));
        assert_eq!(like("", r"%\"), Ok(false));
    }

    #[test]
    fn a_pattern_of_many_wildcards_neither_recurses_nor_explodes() {
        let text = "a".repeat(2_000);
        assert_eq!(like(&text, &("%a".repeat(1_000) + "%b")), Ok(false));
    }
}
