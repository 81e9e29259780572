//! A case of the model test.

use super::rules::Rules;
use super::script::{A, B, Input, Step, Who};
use super::world::World;

/// Does the steps to real connections and to the model of them, and fails where they differ.
pub(crate) fn check(steps: &[Step]) -> Result<(), String> {
    let mut world = World::new();
    let mut rules = Rules::default();
    let last = [A, B].map(|who| Step { input: Input::Dropped(who), reactions: Vec::new() });
    for step in steps.iter().chain(&last) {
        let outcome = world.run(step);
        rules.check(step, outcome)?;
        for who in Who::BOTH {
            let (real, expected) = (world.questions(who), rules.questions(who));
            if real != expected {
                return Err(format!(
                    "behind {:?} {who:?} is\n    {real:?}\nand should be\n    {expected:?}",
                    step.input
                ));
            }
        }
    }
    if !rules.are_over() || world.calls_alive() > 0 {
        return Err("a protocol or a call outlived its connection".to_owned());
    }
    Ok(())
}
