/// Holds what was compared, where an error is about a difference. Never the value of a secret, a private key or an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What was there.
    pub found: Option<String>,
    /// What should be there.
    pub expected: Option<String>,
}

impl Comparison {
    /// Creates one of both sides.
    pub fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: Some(found.into()), expected: Some(expected.into()) }
    }
}

/// Explains an error beyond its message.
pub trait Explain {
    /// Returns the kind of the error, a word in lower case by which programs tell errors apart.
    fn kind(&self) -> &'static str;

    /// Returns what to do about the error; none where nothing helps that is known.
    fn hint(&self) -> Option<String>;

    /// Returns what was found and expected; nothing where nothing was compared. The message is complete without it.
    fn comparison(&self) -> Comparison {
        Comparison::default()
    }
}

impl<E: Explain + ?Sized> Explain for &E {
    fn kind(&self) -> &'static str {
        (**self).kind()
    }

    fn hint(&self) -> Option<String> {
        (**self).hint()
    }

    fn comparison(&self) -> Comparison {
        (**self).comparison()
    }
}
