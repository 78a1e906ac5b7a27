//! A mistake in the settings, shown as file, line and caret.

use super::Source;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;

/// Something is wrong in the settings. Its text shows the line and points at the place.
#[derive(Debug)]
pub struct Mistake {
    /// The place, where there is one.
    pub(super) at: Option<(Source, Range<usize>)>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

// === impl Mistake ===

impl Mistake {
    /// A mistake that stands nowhere in particular.
    pub fn new(message: impl Into<String>) -> Mistake {
        Mistake {
            at: None,
            message: message.into(),
            help: None,
        }
    }

    /// The same, with how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Mistake {
        self.help = Some(help.into());
        self
    }

    /// What is wrong and how to mend it, for those to whom its place is nothing new.
    pub fn into_words(self) -> (String, Option<String>) {
        (self.message, self.help)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((source, span)) = &self.at else {
            f.write_str(&self.message)?;
            return match &self.help {
                Some(help) => write!(f, "\nhelp: {help}"),
                None => Ok(()),
            };
        };
        let title = Level::ERROR.no_name().primary_title(self.message.as_str());
        let snippet = Snippet::source(&*source.text)
            .path(&*source.name)
            .line_start(source.first)
            .annotation(AnnotationKind::Primary.span(span.clone()));
        let mut report: Vec<Group<'_>> = vec![title.element(snippet)];
        if let Some(help) = &self.help {
            report.push(Group::with_title(
                Level::HELP.secondary_title(help.as_str()),
            ));
        }
        f.write_str(&Renderer::plain().render(&report))
    }
}

impl std::error::Error for Mistake {}

/// serde lists every key it knows for one it does not; a person meant the nearest.
pub(super) fn suggest(message: &str) -> (String, Option<String>) {
    let unknown = message.strip_prefix("unknown field ");
    let Some((wrong, known)) = unknown.and_then(|rest| rest.split_once(", expected ")) else {
        return (message.trim_end().to_owned(), None);
    };
    let wrong = wrong.trim_matches('`');
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let nearest = known
        .iter()
        .map(|known| (strsim::osa_distance(known, wrong), *known))
        .min()
        .filter(|&(distance, known)| distance <= known.len().max(wrong.len()) / 3);
    let help = match nearest {
        Some((_, nearest)) => format!("did you mean `{nearest}`?"),
        None => format!("there are: {}", known.join(", ")),
    };
    (format!("there is no key `{wrong}` here"), Some(help))
}
