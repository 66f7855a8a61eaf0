//! Options that a configuration itself declares: `declare-option = NAME=TEMPLATE` (K1 to K3).

use std::collections::HashMap;
use std::rc::Rc;

use crate::bytes::replace::{TooLong, replaced};
use crate::bytes::split::split_once;
use crate::limits::VALUE_BYTES;

/// One part of a template: key and value.
pub(crate) type Part = (Vec<u8>, Vec<u8>);

/// A declared option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Custom {
    pub(crate) name: Vec<u8>,
    template: Vec<u8>,
}

impl Custom {
    /// Parses `NAME=TEMPLATE`; `None` without a `=` (K1).
    pub(crate) fn parse(declaration: &[u8]) -> Option<Custom> {
        let (name, template) = split_once(declaration, b'=')?;
        Some(Custom {
            name: name.to_vec(),
            template: template.to_vec(),
        })
    }

    /// The keys and values to run, with the arguments filled in (K1). A part without `=` ends the template (K2).
    ///
    /// # Errors
    /// All parts together would become longer than a value may be.
    pub(crate) fn parts(&self, value: &[u8]) -> Result<Vec<Part>, TooLong> {
        let arguments: Vec<&[u8]> = arguments(value);
        let parts = self
            .template
            .split(|&byte| byte == b';')
            .filter(|part| !part.is_empty());
        let mut filled_parts = Vec::new();
        let mut length = 0;
        for (key, value) in parts.map_while(|part| split_once(part, b'=')) {
            let (key, value) = (filled(key, &arguments)?, filled(value, &arguments)?);
            length += key.len() + value.len();
            if length > VALUE_BYTES {
                return Err(TooLong);
            }
            filled_parts.push((key, value));
        }
        Ok(filled_parts)
    }

    /// About how many bytes are processed to fill in that value: the template's length for each argument.
    pub(crate) fn effort(&self, value: &[u8]) -> usize {
        self.template.len().saturating_mul(arguments(value).len().max(1))
    }
}

/// The options declared so far, by name.
#[derive(Debug, Default)]
pub(crate) struct Customs(HashMap<Vec<u8>, Rc<Custom>>);

impl Customs {
    /// Declares an option. If a name is declared twice, the first declaration counts.
    pub(crate) fn declare(&mut self, custom: Custom) {
        self.0
            .entry(custom.name.clone())
            .or_insert_with(|| Rc::new(custom));
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&Rc<Custom>> {
        self.0.get(name)
    }

    /// The names, in arbitrary order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.keys().map(Vec::as_slice)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// The arguments in a value, separated by blanks. An empty value is one empty argument (K1); a value of blanks alone
/// has none (measured).
fn arguments(value: &[u8]) -> Vec<&[u8]> {
    if value.is_empty() {
        return vec![b""];
    }
    value
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty())
        .collect()
}

/// Replaces `$1` and so on one after the other. Text from one argument is searched again for the next.
fn filled(text: &[u8], arguments: &[&[u8]]) -> Result<Vec<u8>, TooLong> {
    let mut text = text.to_vec();
    for (index, argument) in arguments.iter().enumerate() {
        text = replaced(&text, format!("${}", index + 1).as_bytes(), argument)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(declaration: &str, value: &str) -> String {
        let custom = Custom::parse(declaration.as_bytes()).expect("has a =");
        let parts = custom.parts(value.as_bytes()).expect("is short");
        let part = |(key, value): &Part| [&key[..], b"=", value].concat();
        String::from_utf8_lossy(&parts.iter().map(part).collect::<Vec<_>>().join(&b';')).into_owned()
    }

    #[test]
    fn arguments_are_put_in_as_text() {
        const CASES: &[(&str, &str, &str)] = &[
            ("foo=set=a=$1;set=b=$2", "x y", "set=a=x;set=b=y"),
            ("foo=set=a=[$1][$2][$3][$4]", "a   b   c", "set=a=[a][b][c][$4]"),
            ("foo=set=a=[$1][$2]", "", "set=a=[][$2]"),
            ("foo=set=a=[$1][$2]", " ", "set=a=[$1][$2]"),
            ("foo=set=a=$10", "x", "set=a=x0"),
            ("foo=set=a=[$1][$2][$3]", "$2 $1", "set=a=[$1][$1][$3]"),
            ("foo=$1-x=1", "socket", "socket-x=1"),
            ("foo=;;set=a=1;junk;set=b=2", "1", "set=a=1"),
            ("foo=", "1", ""),
        ];
        for (declaration, value, wanted) in CASES {
            assert_eq!(shown(declaration, value), *wanted, "{declaration} with {value:?}");
        }
    }

    #[test]
    fn a_declaration_needs_a_template() {
        assert_eq!(Custom::parse(b"foo"), None);
    }

    #[test]
    fn what_a_template_makes_of_its_arguments_has_a_limit() {
        let custom = Custom::parse(&[&b"foo="[..], &b"set=a=$1;".repeat(100)].concat()).expect("has a =");
        assert_eq!(custom.parts(&[b'x'; 100]).map(|parts| parts.len()), Ok(100));
        assert_eq!(custom.parts(&[b'x'; VALUE_BYTES / 100]), Err(TooLong));
        assert_eq!(custom.effort(b"a b c"), 3 * 9 * 100);
    }
}
