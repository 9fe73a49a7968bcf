//! Reads the part of Nix that a module has: sets, lists, strings and booleans. It shares nothing with what writes them.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Map, Value};

/// Reads text as Nix does.
pub struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

type Read<T> = Result<T, String>;

impl<'a> Reader<'a> {
    /// Reads a set, and nothing after it.
    pub fn set(text: &'a str) -> Read<Value> {
        let mut reader = Self { rest: text.chars().peekable() };
        let set = reader.value()?;
        reader.blanks();
        if reader.rest.next().is_some() { Err("text after the set".to_owned()) } else { Ok(set) }
    }

    /// Reads the data of a module: its bindings, and of those in its body the ones that are data.
    pub fn module(text: &'a str) -> Read<Value> {
        let (_, text) = text.split_once("}:\nlet\n").ok_or("no head")?;
        let mut reader = Self { rest: text.chars().peekable() };
        let mut data = Map::new();
        while !reader.is_word("in") {
            reader.binding(&mut data)?;
        }
        let Value::Object(body) = reader.value()? else { return Err("no body".to_owned()) };
        data.extend(body);
        reader.blanks();
        if reader.rest.next().is_some() { Err("text after the module".to_owned()) } else { Ok(Value::Object(data)) }
    }

    fn blanks(&mut self) {
        while self.rest.next_if(char::is_ascii_whitespace).is_some() {}
    }

    /// Takes a word, if it comes next and ends there.
    fn is_word(&mut self, word: &str) -> bool {
        self.blanks();
        let mut ahead = self.rest.clone();
        let is_it =
            word.chars().all(|c| ahead.next() == Some(c)) && !ahead.peek().is_some_and(char::is_ascii_alphanumeric);
        if is_it {
            self.rest = ahead;
        }
        is_it
    }

    fn takes(&mut self, expected: char) -> Read<()> {
        self.blanks();
        match self.rest.next() {
            Some(found) if found == expected => Ok(()),
            other => Err(format!("{other:?} in place of `{expected}`")),
        }
    }

    fn binding(&mut self, set: &mut Map<String, Value>) -> Read<()> {
        let mut path = vec![self.attribute()?];
        while self.rest.next_if_eq(&'.').is_some() {
            path.push(self.attribute()?);
        }
        self.takes('=')?;
        let value = self.value()?;
        self.takes(';')?;
        insert(set, &path, value)
    }

    fn attribute(&mut self) -> Read<String> {
        self.blanks();
        if self.rest.peek() == Some(&'"') {
            return self.string();
        }
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || "_-'".contains(*c)) {
            name.push(c);
        }
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let is_keyword =
            ["assert", "else", "if", "in", "inherit", "let", "rec", "then", "with"].contains(&name.as_str());
        if is_name && !is_keyword { Ok(name) } else { Err(format!("`{name}` is no name")) }
    }

    /// What is not data is read over, and is null.
    fn value(&mut self) -> Read<Value> {
        self.blanks();
        match self.rest.peek().copied() {
            Some('{') => {
                self.takes('{')?;
                let mut set = Map::new();
                loop {
                    self.blanks();
                    if self.rest.next_if_eq(&'}').is_some() {
                        return Ok(Value::Object(set));
                    }
                    self.binding(&mut set)?;
                }
            }
            Some('[') => {
                self.takes('[')?;
                let mut list = Vec::new();
                loop {
                    self.blanks();
                    if self.rest.next_if_eq(&']').is_some() {
                        return Ok(Value::Array(list));
                    }
                    list.push(self.value()?);
                }
            }
            Some('"') => self.string().map(Value::String),
            _ if self.is_word("true") => Ok(Value::Bool(true)),
            _ if self.is_word("false") => Ok(Value::Bool(false)),
            _ => {
                while self.rest.next_if(|c| *c != ';').is_some() {}
                Ok(Value::Null)
            }
        }
    }

    fn string(&mut self) -> Read<String> {
        self.takes('"')?;
        let mut text = String::new();
        loop {
            match self.rest.next().ok_or("an open string")? {
                '"' => return Ok(text),
                '\\' => text.push(match self.rest.next().ok_or("an open string")? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                }),
                '$' if self.rest.peek() == Some(&'{') => return Err("code in a string".to_owned()),
                // Nix reads it as a line feed.
                '\r' => return Err("a carriage return".to_owned()),
                other => text.push(other),
            }
        }
    }
}

fn insert(set: &mut Map<String, Value>, path: &[String], value: Value) -> Read<()> {
    let Some((first, rest)) = path.split_first() else { return Err("no name".to_owned()) };
    if rest.is_empty() {
        let twice = set.insert(first.clone(), value);
        return if twice.is_some() { Err(format!("`{first}` twice")) } else { Ok(()) };
    }
    match set.entry(first.clone()).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(inner) => insert(inner, rest, value),
        _ => Err(format!("`{first}` is no set")),
    }
}
