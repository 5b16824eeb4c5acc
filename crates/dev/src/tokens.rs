//! Words, numbers, strings and signs of one line of Python: enough for signatures, module-level
//! constants and parameter lists. Functions are parsed by the compiler.

use std::sync::Arc;

use ferdelance_compiler::host::Const;
use ferdelance_compiler::types::Ty;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Name(String),
    Int(i128),
    Float(f64),
    Imaginary(f64),
    Str(String),
    Sign(char),
}

/// The tokens of a text; a comment ends it.
pub fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = vec![];
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' => break,
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = length_while(rest, |c| c.is_alphanumeric() || c == '_');
                out.push(Token::Name(rest[..length].to_owned()));
                length
            }
            '0'..='9' => {
                let length = number_length(rest);
                out.push(number(&rest[..length])?);
                length
            }
            '"' | '\'' => {
                let end = rest[1..].find(first).ok_or("a string without an end")?;
                out.push(Token::Str(rest[1..=end].to_owned()));
                end + 2
            }
            sign => {
                out.push(Token::Sign(sign));
                sign.len_utf8()
            }
        };
        rest = rest[length..].trim_start();
    }
    Ok(out)
}

fn length_while(text: &str, accepted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !accepted(c)).unwrap_or(text.len())
}

/// Digits, letters and dots, and the sign of an exponent.
fn number_length(text: &str) -> usize {
    let mut before = ' ';
    let end = text.char_indices().find(|&(_, c)| {
        let exponent = matches!(before, 'e' | 'E') && !text.starts_with("0x");
        let belongs =
            c.is_alphanumeric() || c == '.' || c == '_' || exponent && matches!(c, '+' | '-');
        before = c;
        !belongs
    });
    end.map_or(text.len(), |(i, _)| i)
}

fn number(text: &str) -> Result<Token, String> {
    let plain = text.replace('_', "");
    if let Some(digits) = plain.strip_prefix("0x")
        && let Ok(value) = i128::from_str_radix(digits, 16)
    {
        return Ok(Token::Int(value));
    }
    if let Ok(value) = plain.parse() {
        return Ok(Token::Int(value));
    }
    let (digits, imaginary) = plain
        .strip_suffix('j')
        .map_or((&*plain, false), |digits| (digits, true));
    match digits.parse() {
        Ok(value) if imaginary => Ok(Token::Imaginary(value)),
        Ok(value) => Ok(Token::Float(value)),
        Err(_) => Err(format!("`{text}` is no number")),
    }
}

/// Tokens with a place in them.
pub struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    pub fn new(text: &str) -> Result<Reader, String> {
        Ok(Reader {
            tokens: tokens(text)?,
            at: 0,
        })
    }

    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    /// Takes the sign if it is next.
    pub fn take(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    pub fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(format!("`{sign}` expected, found {}", self.found()))
        }
    }

    /// What is next, for messages.
    pub fn found(&self) -> String {
        match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Name(name)) => format!("`{name}`"),
            Some(Token::Sign(sign)) => format!("`{sign}`"),
            Some(other) => format!("{other:?}"),
        }
    }

    pub fn is_done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// `item, item, ...` up to a closing sign or the end.
    pub fn list<T>(
        &mut self,
        close: Option<char>,
        mut item: impl FnMut(&mut Reader) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut out = vec![];
        loop {
            match close {
                Some(close) if self.take(close) => return Ok(out),
                None if self.is_done() => return Ok(out),
                _ => {}
            }
            out.push(item(self)?);
            if !self.take(',') {
                match close {
                    Some(close) => self.expect(close)?,
                    None if self.is_done() => {}
                    None => return Err(format!("`,` expected, found {}", self.found())),
                }
                return Ok(out);
            }
        }
    }

    /// A literal, or a tuple of literals.
    pub fn literal(&mut self) -> Result<Const, String> {
        if self.take('(') {
            return Ok(Const::Tuple(self.list(Some(')'), Reader::literal)?.into()));
        }
        if self.take('-') {
            return match self.literal()? {
                Const::Int(value) => Ok(Const::Int(-value)),
                Const::Float(value) => Ok(Const::Float(-value)),
                other => Err(format!("`-` before {other:?}")),
            };
        }
        let found = self.found();
        match self.next() {
            Some(Token::Int(value)) => Ok(Const::Int(value)),
            Some(Token::Float(value)) => Ok(Const::Float(value)),
            Some(Token::Imaginary(value)) => Ok(Const::Complex(0.0, value)),
            Some(Token::Str(text)) => Ok(Const::Str(Arc::from(text))),
            Some(Token::Name(name)) => match &*name {
                "None" => Ok(Const::None),
                "True" => Ok(Const::Bool(true)),
                "False" => Ok(Const::Bool(false)),
                _ => Err(format!("`{name}` is no literal")),
            },
            _ => Err(format!("a literal expected, found {found}")),
        }
    }
}

/// The type of a literal.
pub fn literal_type(value: &Const) -> Ty {
    match value {
        Const::Bool(_) => Ty::bool(),
        Const::Int(_) => Ty::py_int(),
        Const::Float(_) => Ty::py_float(),
        Const::Complex(..) => Ty::py_complex(),
        Const::Str(_) => Ty::str(),
        Const::Bytes(_) => Ty::bytes(),
        Const::Tuple(items) => Ty::tuple(&items.iter().map(literal_type).collect::<Vec<_>>()),
        Const::None | Const::Array(_) | Const::Object(_) => Ty::none(),
    }
}
