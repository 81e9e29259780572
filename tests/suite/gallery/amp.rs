use crate::apps::program::Program;
use crate::gallery::serve;

#[test]
fn a_sum_is_right_and_a_division_by_zero_is_the_error_that_was_declared() {
    let (mut server, address) = serve("amp_server", &[]);
    let ended = Program::example("amp_client", [address.to_string()]).finish().with_code(0);
    assert_eq!(ended.stdout, "Divided by zero: returning INF\nDone with math: Ok((94, inf))\n");
    assert_eq!(server.line(), "Did a sum: 13 + 81 = 94");
}
