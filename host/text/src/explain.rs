/// Explains an error beyond its message.
pub trait Explain {
    /// Returns the kind of the error, a word in lower case by which programs tell errors apart.
    fn kind(&self) -> &'static str;

    /// Returns what to do about the error; none where nothing helps that is known.
    fn hint(&self) -> Option<String>;
}

impl<E: Explain + ?Sized> Explain for &E {
    fn kind(&self) -> &'static str {
        (**self).kind()
    }

    fn hint(&self) -> Option<String> {
        (**self).hint()
    }
}
