/// Passes what is well through a step that takes many at once; what failed before keeps its place. `act` answers each that it is given, in
/// their order.
pub(crate) fn through<T, U, E>(
    items: Vec<Result<T, E>>,
    act: impl FnOnce(Vec<T>) -> Vec<Result<U, E>>,
) -> Vec<Result<U, E>> {
    let mut well = Vec::new();
    let take = |item: Result<T, E>| item.map(|one| well.push(one));
    let kept: Vec<Result<(), E>> = items.into_iter().map(take).collect();
    let mut answers = act(well).into_iter();
    let answer = |one: Result<(), E>| one.map_or_else(|fault| Some(Err(fault)), |()| answers.next());
    kept.into_iter().filter_map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_keeps_its_place_and_is_not_asked_about() {
        let items = vec![Err("a"), Ok(1), Err("b"), Ok(2), Ok(3)];
        let answers = through(items, |well| {
            assert_eq!(well, [1, 2, 3]);
            well.into_iter().map(|one| if one == 2 { Err("c") } else { Ok(one * 10) }).collect()
        });
        assert_eq!(answers, [Err("a"), Ok(10), Err("b"), Err("c"), Ok(30)]);
    }
}
