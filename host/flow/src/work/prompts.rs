//! The prompts of what is generated: who is asked for what, and what follows where there is no answer.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name, Prompt};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_text::{agreeing, listed};

use crate::agree::answer_access::{AnswerRequests, denied};
use crate::agree::ask;
use crate::agree::refused::keep_allowed;
use crate::chain::Base;
use crate::failure;
use crate::look::survey::Survey;
use crate::run::Run;
use crate::tools::{RequestedPrompt, Tools};

/// Of all but the first that lacks an answer.
const SAME_FILE: &str = "add its answers to the same file";

/// Returns the prompts of all steps whose answers this run does not have yet.
fn requests(base: &Base<'_>) -> Vec<RequestedPrompt> {
    let steps = base.progress.steps();
    let state = &base.run.state;
    let of = |instance: &Instance| {
        let answer = |name: &Name| state.answers.get(&(instance.name.clone(), name.clone()));
        let is_retried = state.retried.contains(&instance.name);
        let open = instance.artifact.prompts.iter();
        let open: Vec<_> = open.filter(|(name, _)| is_retried || answer(name).is_none()).collect();
        if open.is_empty() {
            return Vec::new();
        }
        let details = details(instance, &base.survey, &base.run.tools);
        let needs = needs(base.run, &instance.name);
        let request = |(name, prompt): (&Name, &Prompt)| RequestedPrompt {
            instance: instance.name.clone(),
            prompt: name.clone(),
            description: prompt.description.clone(),
            earlier: answer(name).cloned(),
            details: details.clone(),
            needs: needs.clone(),
            kind: prompt.kind,
            required: prompt.is_required(),
        };
        open.into_iter().map(request).collect::<Vec<_>>()
    };
    steps.iter().filter_map(|step| base.run.instances.get(&step.name)).flat_map(of).collect()
}

/// Returns all that an instance depends on.
fn needs(run: &Run, name: &InstanceName) -> BTreeSet<InstanceName> {
    let mut needs = run.with_dependencies(&BTreeSet::from([name.clone()]));
    needs.remove(name);
    needs
}

/// Returns what becomes of the answers: which generator gets them, and for whom what it writes is stored.
fn details(instance: &Instance, survey: &Survey, tools: &Tools) -> Vec<String> {
    let mut details = Vec::new();
    if instance.artifact.generator.is_some() {
        let network = if instance.artifact.network { "has network access" } else { "has no network" };
        details.push(format!("used by the generator of {}, which {network}", instance.name));
    }
    let recipients = survey.found.get(&instance.name).into_iter().flat_map(|found| found.recipients.iter());
    let mut files: BTreeMap<&BTreeSet<String>, Vec<&str>> = BTreeMap::new();
    for (file, of_file) in recipients {
        files.entry(of_file).or_default().push(file.as_str());
    }
    let names = survey.names(tools, None).of(files.keys().copied().flatten());
    let who = |to: &BTreeSet<String>| listed(&names.sorted(to));
    let secret = files.iter().map(|(to, files)| format!("{}: {}", files.join(", "), who(to)));
    let public = instance.public_files().map(|file| format!("{file}: public"));
    let stored: Vec<String> = secret.chain(public).collect();
    if !stored.is_empty() {
        details.push(format!("stored in {}", stored.join("; ")));
    }
    details
}

/// Notes what a person would be asked.
pub(super) fn note(base: &mut Base<'_>) {
    let names = base.progress.names();
    for instance in names.iter().filter_map(|name| base.run.instances.get(name)) {
        let open = base.run.tools.operator.open_prompts(instance);
        if let Some(row) = base.report.rows.get_mut(&instance.name).filter(|_| !open.is_empty()) {
            let quoted: Vec<String> = open.iter().map(|name| format!("`{name}`")).collect();
            row.sentences.push(format!("prompts for {}", quoted.join(", ")));
            row.prompts = open.iter().map(ToString::to_string).collect();
        }
    }
}

/// Leaves what needs no answer, or has one, where no one can be asked.
pub(super) fn keep_answered(base: &mut Base<'_>, is_preview: bool) {
    let requests = requests(base);
    let Base { run, progress, .. } = base;
    let Some(hint) = run.tools.operator.without_terminal(&requests, is_preview) else { return };
    // There is one file to fill in, for all of them.
    let mut file = Some(hint).filter(|hint| !hint.is_empty());
    progress.keep_chained(&run.instances, |instance| {
        let open = run.tools.operator.open_prompts(instance);
        if open.is_empty() {
            return None;
        }
        let prompts = agreeing(open.len(), "prompt", "prompts");
        let open: Vec<String> = open.iter().map(|name| format!("`{name}`")).collect();
        let why = format!("no answer for {prompts} {}, and no terminal is available", open.join(", "));
        let hint = file.take().unwrap_or_else(|| SAME_FILE.to_owned());
        Some(failure::for_instance(instance, why).hint(Some(hint)))
    });
}

/// Reports the generators that would get answers, could pass them on, and were not accepted yet.
///
/// # Errors
/// When what was accepted cannot be read.
pub(super) fn preview_access(base: &mut Base<'_>) -> Result<(), Failure> {
    let Run { tools, instances, .. } = &*base.run;
    let asked = AnswerRequests::new(tools, instances, &base.progress.steps());
    base.report.answer_requests = asked.unknown(&tools.trust)?;
    Ok(())
}

/// Asks whether generators that could pass answers on may have them. The others drop out.
///
/// # Errors
/// When nothing can be asked or stored.
pub(super) fn agree(base: &mut Base<'_>) -> Result<(), Failure> {
    let Run { tools, instances, .. } = &mut *base.run;
    let asked = AnswerRequests::new(tools, instances, &base.progress.steps());
    let (refused, requests, answer) = ask::answer_access(tools, asked)?;
    base.report.answer_requests = requests;
    let fault = |_: &Run, instance: &Instance| refused.contains(&instance.name).then(|| denied(instance));
    keep_allowed(base, &answer, fault, |names| format!("the use of answers by {names} was not allowed"));
    Ok(())
}

/// Has the admin answer the prompts of all steps. What they enter is kept until the run ends. Steps that they skip drop out, and what
/// depends on them: that is no failure.
///
/// # Errors
/// When they want out, or cannot be asked.
pub(super) fn enter(base: &mut Base<'_>) -> Result<(), Failure> {
    let requests = requests(base);
    let asked: BTreeSet<&InstanceName> = requests.iter().map(|request| &request.instance).collect();
    let others: Vec<_> =
        base.progress.names().iter().filter(|name| !asked.contains(name)).map(|name| needs(base.run, name)).collect();
    let entered = base.run.tools.operator.enter(&requests, &others)?;
    base.run.state.forget_retried();
    base.run.state.answers.extend(entered);
    let skipped = base.skip(|run, instance| {
        let mut prompts = instance.artifact.prompts.keys();
        prompts.any(|prompt| !run.state.answers.contains_key(&(instance.name.clone(), prompt.clone())))
    });
    for (name, _) in skipped.iter().filter(|(_, dependency)| dependency.is_none()) {
        if let Some(row) = base.report.rows.get_mut(name) {
            row.notes.push("skipped at its prompt; not generated in this run".to_owned());
        }
    }
    Ok(())
}

/// Returns what failed by itself although a person, and no answers file, answered its prompts.
pub(crate) fn answered_failures(run: &Run) -> BTreeSet<InstanceName> {
    let failed = &run.state.failed;
    let is_answered = |instance: &&Instance| {
        let is_first = !instance.dependencies.values().any(|dependency| failed.contains(dependency));
        let open = run.tools.operator.open_prompts(instance);
        let answer = |name: &Name| run.state.answers.contains_key(&(instance.name.clone(), name.clone()));
        is_first && !open.is_empty() && open.iter().all(answer)
    };
    run.among(failed).filter(is_answered).map(|instance| instance.name.clone()).collect()
}
