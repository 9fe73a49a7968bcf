//! Values of other tools, stored as they are declared.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_report::{Failure, Report};

use crate::agree::{Tickets, ask};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::look::import_source::ImportSource;
use crate::look::survey::Survey;
use crate::run::{Run, Selection};

/// Stores the values of other tools' files in declared instances that are absent. It is made by [`Run::select_import`].
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// By instance and declared file.
    sources: BTreeMap<InstanceName, BTreeMap<Name, ImportSource>>,
}

impl Run {
    /// Returns a selection of the declared instances that these files have values of, and the change that stores them. An
    /// instance that is not declared is an error of the selection.
    ///
    /// # Errors
    /// When one file of an instance has two sources.
    pub fn select_import(&self, sources: Vec<ImportSource>) -> Result<(Selection, Import), Failure> {
        let mut import = Import::default();
        for source in sources {
            let of_instance = import.sources.entry(source.instance.clone()).or_default();
            if let Some(first) = of_instance.insert(source.file.clone(), source.clone()) {
                let (one, other) = (first.path.display(), source.path.display());
                let why = format!("`{}` has two sources: `{one}` and `{other}`", source.file);
                return Err(Failure::new(source.instance.to_string(), why));
            }
        }
        let (names, undeclared): (BTreeSet<InstanceName>, BTreeSet<InstanceName>) =
            import.sources.keys().cloned().partition(|name| self.instances.contains_key(name));
        let undeclared = undeclared.into_iter().map(|name| {
            self.error_of(&name).unwrap_or_else(|| {
                Failure::new(name.to_string(), "not declared").hint(Some("declare it, then import again"))
            })
        });
        let selection = Selection { selectors: Vec::new(), names, errors: undeclared.collect() };
        Ok((selection, import))
    }
}

impl Planned for Import {
    type Details = ();

    fn plan(&self, _: &mut Run, _: &Selection, _: &mut Survey) -> Plan<()> {
        Plan::default()
    }

    fn begin(&self, run: &mut Run, selection: &Selection, survey: &Survey, _: &Plan<()>) -> Report {
        let errors = selection.errors.iter().chain(&survey.errors).cloned().collect();
        Report { errors, ..run.rows(&selection.names, survey) }
    }

    fn describe(&self, _: &mut Base<'_>, (): &mut ()) -> Result<(), Failure> {
        Ok(())
    }

    fn ask(&mut self, base: &mut Base<'_>, (): &mut ()) -> Result<Tickets, Failure> {
        Ok(ask::without_encryption(base))
    }
}

impl<'r> Agreed<'r, Import> {
    /// Stores the values, one instance by one. A failure stops no other.
    pub fn import(self) -> Written<'r> {
        Written::new(self.base)
    }
}
