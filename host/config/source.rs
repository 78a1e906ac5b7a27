//! Files of settings, and where in them everything stands.

mod mistake;

pub use mistake::Mistake;

use mistake::suggest;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A TOML text and what people call it.
#[derive(Debug, Clone)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
    /// Number of its first line.
    first: usize,
}

/// A TOML table as a plugin gets it: JSON, and where each value stands.
#[derive(Debug, Clone)]
pub struct Section {
    source: Source,
    json: String,
    places: BTreeMap<String, Place>,
}

#[derive(Debug, Clone)]
struct Place {
    span: Range<usize>,
    /// Its directive and its words, where the value is a string: `http_access deny all`.
    line: Option<(Arc<str>, Location)>,
}

/// Where a rule stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// As people call the file.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
}

// === impl Source ===

impl Source {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Source, Mistake> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Source::new(&name, text)),
            Err(error) => Err(Mistake::new(format!("cannot read {name}: {error}"))),
        }
    }

    /// A text that is no file.
    pub fn new(name: &str, text: impl Into<Arc<str>>) -> Source {
        Source {
            name: name.into(),
            text: text.into(),
            first: 1,
        }
    }

    /// That line of a text that is too long to be kept.
    pub fn line(name: &str, number: usize, text: impl Into<Arc<str>>) -> Source {
        Source {
            first: number,
            ..Source::new(name, text)
        }
    }

    /// What people call it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What the text says, as that type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Mistake> {
        toml::from_str(&self.text).map_err(|error| self.toml_mistake(&error))
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, value by value with its place.
    pub fn table(&self) -> Result<DeTable<'_>, Mistake> {
        let table = DeTable::parse(&self.text).map_err(|error| self.toml_mistake(&error))?;
        Ok(table.into_inner())
    }

    /// The table at that path of keys, in an array of its index; none where it is not there.
    pub fn section(&self, path: &[&str]) -> Result<Option<Section>, Mistake> {
        let root = self.table()?;
        let mut table = &root;
        let mut steps = path.iter();
        while let Some(key) = steps.next() {
            let mut inner = table.get(*key);
            if let Some(array) = inner.and_then(|inner| inner.get_ref().as_array()) {
                let index = steps.next().and_then(|step| step.parse::<usize>().ok());
                inner = index.and_then(|index| array.get(index));
            }
            let Some(inner) = inner else {
                return Ok(None);
            };
            let Some(inner) = inner.get_ref().as_table() else {
                return Err(self.mistake(inner.span(), "a table is wanted here"));
            };
            table = inner;
        }
        let mut places = BTreeMap::new();
        let json = self.table_to_json(table, "", &mut places)?;
        Ok(Some(Section {
            source: self.clone(),
            json: json.to_string(),
            places,
        }))
    }

    /// A table that is not there.
    pub fn empty_section(&self) -> Section {
        Section {
            source: self.clone(),
            json: "{}".to_owned(),
            places: BTreeMap::new(),
        }
    }

    fn table_to_json(
        &self,
        table: &DeTable<'_>,
        pointer: &str,
        places: &mut BTreeMap<String, Place>,
    ) -> Result<serde_json::Value, Mistake> {
        let mut object = serde_json::Map::new();
        for (key, value) in table {
            let step = key.get_ref().replace('~', "~0").replace('/', "~1");
            let mut span = key.span();
            if !self.text[span.start..value.span().end].contains('\n') {
                span.end = value.span().end;
            }
            let value = self.to_json(value, span, &format!("{pointer}/{step}"), places)?;
            object.insert(key.get_ref().to_string(), value);
        }
        Ok(object.into())
    }

    fn to_json(
        &self,
        value: &Spanned<DeValue<'_>>,
        span: Range<usize>,
        pointer: &str,
        places: &mut BTreeMap<String, Place>,
    ) -> Result<serde_json::Value, Mistake> {
        let line = value.get_ref().as_str().map(|words| {
            let directive = pointer.split('/').nth(1).unwrap_or_default();
            (
                format!("{directive} {words}").into(),
                self.location(span.start),
            )
        });
        places.insert(pointer.to_owned(), Place { span, line });
        let no_number = || self.mistake(value.span(), "this number is out of range");
        Ok(match value.get_ref() {
            DeValue::String(text) => text.as_ref().into(),
            DeValue::Boolean(boolean) => (*boolean).into(),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .map_err(|_| no_number())?
                .into(),
            DeValue::Float(float) => {
                let float: f64 = float.as_str().parse().map_err(|_| no_number())?;
                let number = serde_json::Number::from_f64(float);
                number.ok_or_else(no_number)?.into()
            }
            DeValue::Datetime(datetime) => datetime.to_string().into(),
            DeValue::Array(array) => {
                let items = array.iter().enumerate().map(|(index, item)| {
                    self.to_json(item, item.span(), &format!("{pointer}/{index}"), places)
                });
                items.collect::<Result<Vec<_>, _>>()?.into()
            }
            DeValue::Table(table) => self.table_to_json(table, pointer, places)?,
        })
    }

    fn toml_mistake(&self, error: &toml::de::Error) -> Mistake {
        let (message, help) = suggest(error.message());
        Mistake {
            at: error.span().map(|span| (self.clone(), span)),
            message,
            help,
        }
    }

    /// A mistake in that part of the text.
    pub fn mistake(&self, span: Range<usize>, message: impl Into<String>) -> Mistake {
        Mistake {
            at: Some((self.clone(), span)),
            message: message.into(),
            help: None,
        }
    }

    fn location(&self, offset: usize) -> Location {
        Location {
            file: self.name.clone(),
            line: self.first + self.text[..offset].matches('\n').count(),
        }
    }
}

/// The value that is written, or the default.
///
/// # Errors
/// It is not in the range.
pub fn within<T: Copy + PartialOrd>(
    written: Option<&Spanned<T>>,
    default: T,
    range: RangeInclusive<T>,
    message: &str,
    source: &Source,
) -> Result<T, Mistake> {
    match written {
        None => Ok(default),
        Some(value) if range.contains(value.get_ref()) => Ok(*value.get_ref()),
        Some(value) => Err(source.mistake(value.span(), message)),
    }
}

// === impl Section ===

impl Section {
    /// The table as JSON.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// A mistake at a JSON Pointer into the table; at the nearest that there is, if need be.
    pub fn mistake(&self, pointer: &str, message: impl Into<String>) -> Mistake {
        let mut pointer = pointer;
        let place = loop {
            match (self.places.get(pointer), pointer.rfind('/')) {
                (Some(place), _) => break Some(place),
                (None, Some(slash)) => pointer = &pointer[..slash],
                (None, None) => break None,
            }
        };
        match place {
            Some(place) => self.source.mistake(place.span.clone(), message),
            None => Mistake::new(format!("{}: {}", self.source.name, message.into())),
        }
    }

    /// Every line of words by its JSON Pointer: the words, with their directive before them
    /// (`http_access deny all`), and where they are.
    pub fn named_lines(&self) -> impl Iterator<Item = (String, Arc<str>, Location)> {
        self.places.iter().filter_map(|(pointer, place)| {
            let (words, location) = place.line.clone()?;
            Some((pointer.clone(), words, location))
        })
    }

    /// Every line of words, in the order of the file: for listings.
    pub fn lines(&self) -> Vec<(Arc<str>, Location)> {
        let mut places: Vec<&Place> = self.places.values().collect();
        places.sort_by_key(|place| place.span.start);
        places
            .iter()
            .filter_map(|place| place.line.clone())
            .collect()
    }

    /// Whether both say the same in the same lines of the same file: rules are named by these.
    pub fn is_same(&self, other: &Section) -> bool {
        let lines = |section: &Section| {
            section
                .places
                .values()
                .map(|p| p.line.clone())
                .collect::<Vec<_>>()
        };
        self.json == other.json && lines(self) == lines(other)
    }
}

// === impl Location ===

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl Location {
    /// From the text that [`fmt::Display`] makes of one.
    pub fn read(text: &str) -> Option<Location> {
        let (file, line) = text.rsplit_once(':')?;
        Some(Location {
            file: file.into(),
            line: line.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters here")]
    struct Example {
        http_port: Vec<String>,
        via: Option<bool>,
    }

    fn mistake(text: &str) -> String {
        let parsed = Source::new("a.toml", text).parse::<Example>();
        parsed.expect_err("a mistake").to_string()
    }

    #[test]
    fn a_typo_is_shown_with_what_was_meant() {
        let shown = mistake("via = true\nhtp_port = [\"8080\"]\n");
        assert_eq!(
            shown,
            "there is no key `htp_port` here\n --> a.toml:2:1\n  |\n2 | htp_port = [\"8080\"]\n  \
             | ^^^^^^^^\n  |\nhelp: did you mean `http_port`?"
        );
    }

    #[test]
    fn what_cannot_have_been_meant_lists_what_there_is() {
        let shown = mistake("colour = 1\n");
        assert!(
            shown.ends_with("help: there are: http_port, via"),
            "{shown}"
        );
    }

    #[test]
    fn toml_that_is_none_points_at_the_place() {
        let shown = mistake("http_port = [\"8080\"\nvia = true\n");
        assert!(shown.contains(" --> a.toml:2:"), "{shown}");
    }

    #[test]
    fn sections_keep_words_and_places() {
        let text = "x = 1\n[plugins.p]\nhttp_access = [\n  \"allow a\", # why\n  'deny \\d',\n]\n\
                    [plugins.p.deep]\n\"a/b\" = 0x10\n";
        let source = Source::new("a.toml", text);
        let section = source
            .section(&["plugins", "p"])
            .expect("valid")
            .expect("there");
        assert_eq!(
            section.json(),
            r#"{"deep":{"a/b":16},"http_access":["allow a","deny \\d"]}"#
        );
        let mut lines = section.named_lines();
        let (_, words, location) = lines
            .find(|(pointer, ..)| pointer == "/http_access/1")
            .expect("a line");
        assert_eq!(&*words, "http_access deny \\d");
        assert_eq!(location.to_string(), "a.toml:5");
        assert_eq!(section.lines().len(), 2);
        let shown = section
            .mistake("/http_access/1/nowhere", "wrong")
            .to_string();
        assert!(shown.contains(" --> a.toml:5:3"), "{shown}");
        let shown = section.mistake("/deep/a~1b", "wrong").to_string();
        assert!(shown.contains("8 | \"a/b\" = 0x10"), "{shown}");
        assert!(source.section(&["plugins", "q"]).expect("valid").is_none());
    }
}
