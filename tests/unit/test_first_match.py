"""Which path rules can be the first to match in a namespace, for regexes that are never trusted."""

import random
import re as python_re

import pytest
import re2
from hypothesis import assume, given
from hypothesis import strategies as st

from app.migration import first_match
from app.migration.first_match import FirstMatches, OrderedRules
from app.migration.regex_automaton import Automaton, State
from app.migration.regex_syntax import UnsupportedRegexError

NAMESPACE = "team-a"
OPTIONS = re2.Options()
OPTIONS.log_errors = False

ATOMS = st.sampled_from([
    "a", "b", "m", "-", ".", "/", "^", "$", "A", "é", "team", "team-a/", r"\.", r"\-", r"\/",
    r"\d", r"\w", r"\D", r"\W", r"\s", r"\S", r"\A", r"\z", "()", "(|a)", "[a-m]", "[^/]",
    "[^a-z]", "[]a]", "[a-]", "[-a]", r"[\w-]", "[/-9]", "[A-Z]", "[^]a]", r"[\]a]", "[a-b-c]",
])  # fmt: skip
QUANTIFIERS = st.sampled_from(
    ["", "", "*", "+", "?", "{2}", "{1,2}", "{1,}", "{0}", "*?", "{1,2}?"]
)
REGEXES = st.recursive(
    st.tuples(ATOMS, QUANTIFIERS).map("".join),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map("|".join),
        st.tuples(st.sampled_from(["(", "(?:"]), inner, st.just(")"), QUANTIFIERS).map("".join),
    ),
    max_leaves=8,
)
COMPONENTS = st.from_regex(r"[abmt01]{1,3}((\.|_|__|-+)[abmt]{1,2})?", fullmatch=True)
REPOSITORIES = st.lists(COMPONENTS, min_size=1, max_size=3).map(
    lambda parts: "/".join([NAMESPACE, *parts])
)


def automaton(regex: str) -> Automaton:
    """The automaton of a regex that RE2 accepts and this project understands."""
    try:
        re2.compile(regex, OPTIONS)
    except re2.error:
        assume(False)
    return Automaton(regex)


def after(machine: Automaton, text: str) -> State:
    """The state of an automaton that has read a text."""
    state = machine.start
    for char in text:
        state = machine.step(state, char)
    return state


def first(rules: list[str], repository: str) -> int:
    """The first match as the legacy gateway finds it: run one regex after another."""
    found = (i for i, rule in enumerate(rules) if re2.search(rule, repository, OPTIONS))
    return next(found, len(rules))


@given(REGEXES, REPOSITORIES)
def test_an_automaton_matches_what_re2_matches(regex: str, repository: str) -> None:
    machine = automaton(regex)
    state = after(machine, repository)
    expected = re2.search(regex, repository, OPTIONS) is not None
    assert machine.matches_at_end(state) is expected


@given(REGEXES, REPOSITORIES, REPOSITORIES)
def test_settled_state_is_final_for_every_continuation(regex: str, head: str, tail: str) -> None:
    machine = automaton(regex)
    state = after(machine, head)
    found = re2.search(regex, f"{head}/{tail}", OPTIONS) is not None
    if machine.matches_whatever_follows(state):
        assert found
    elif not state:
        assert not found


@given(st.lists(REGEXES, max_size=3), st.lists(REPOSITORIES, max_size=5))
def test_first_match_of_every_repository_is_predicted(
    rules: list[str], repositories: list[str]
) -> None:
    foretold = OrderedRules([automaton(rule) for rule in [*rules, ""]]).first_matches(NAMESPACE)
    possible = foretold.examples.keys() | foretold.undecided
    assert {first(rules, repository) for repository in repositories} <= possible
    for index, repository in foretold.examples.items():
        assert first(rules, repository) == index
        assert repository.startswith("team-a/")
        assert python_re.fullmatch(r"[a-z0-9]+((\.|_|__|-+|/)[a-z0-9]+)*", repository)


ALL, BIG, ONE = "team-a/app", "team-a/big/app", "team-a/a"


@pytest.mark.parametrize(
    ("rules", "examples"),
    [
        pytest.param([], {0: ALL}, id="no rules: the defaults"),
        pytest.param(["^team-a/.+"], {0: ONE}, id="one namespace"),
        pytest.param(["^team-a/"], {0: ALL}, id="one namespace, by its prefix"),
        pytest.param(["^team-a/.*$"], {0: ONE}, id="one namespace, to the end"),
        pytest.param(["^team-a"], {0: ALL}, id="no slash, but the namespace is within"),
        pytest.param(["team-a/"], {0: ALL}, id="no anchor"),
        pytest.param(["^team-.*"], {0: ALL}, id="many namespaces"),
        pytest.param(["^team-[a-c]/.+"], {0: ONE}, id="a class of namespaces"),
        pytest.param(["^(team-a|team-b)/"], {0: ALL}, id="a choice of namespaces"),
        pytest.param([".*"], {0: ALL}, id="everything"),
        pytest.param(["^team-b/.+"], {1: ALL}, id="another namespace"),
        pytest.param(["^team/.+"], {1: ALL}, id="a shorter name"),
        pytest.param(["^team-a-b/.+"], {1: ALL}, id="a longer name"),
        pytest.param(["^TEAM-A/.+"], {1: ALL}, id="capitals match no repository"),
        pytest.param(["^team-b/.+", "^team-.*"], {1: ALL}, id="the second rule"),
        pytest.param(["^team-.*", "^team-a/.+"], {0: ALL}, id="the first rule wins"),
        pytest.param(["^team-a/big/.*"], {0: BIG, 1: ONE}, id="a part of the namespace"),
        pytest.param(
            ["^team-a/big/.*", "^team-a/.+"], {0: BIG, 1: ONE}, id="a part, then the rest"
        ),
        pytest.param(
            ["^team-a/big/.*", "^team-a/big/huge/.*"], {0: BIG, 2: ONE}, id="never reached"
        ),
        pytest.param(
            ["^team-a/[a-m]", "^team-a/[n-z0-9]"], {0: ONE, 1: "team-a/n"}, id="two halves"
        ),
        pytest.param(["^team-a/[a-z0-9._/-]+$"], {0: ONE}, id="every character there is"),
        pytest.param(["^team-a/[^/]+$"], {0: ONE, 1: "team-a/a/app"}, id="one component"),
        pytest.param(["team-b/.+"], {0: "team-a/team-b/a", 1: ONE}, id="no anchor, elsewhere"),
        pytest.param(["^team-a/.+-dev$"], {0: "team-a/a-dev", 1: ONE}, id="by its end"),
        pytest.param([r"^team-a/$"], {1: ONE}, id="no repository ends with a slash"),
        pytest.param([r"^team-a/.*--?_"], {1: ONE}, id="no name has a dash before _"),
    ],
)
def test_first_matches_of_a_namespace(rules: list[str], examples: dict[int, str]) -> None:
    found = OrderedRules([automaton(rule) for rule in [*rules, ""]]).first_matches(NAMESPACE)
    assert found == FirstMatches(examples)


def test_flat_repositories_have_one_component() -> None:
    rules = [automaton(rule) for rule in ["team-b/.+", "^team-a/big/.*", "^team-a/[^/]+$", ""]]
    assert OrderedRules(rules).first_matches(NAMESPACE, flat=True) == FirstMatches({2: ONE})


def test_unknown_rule_makes_later_rules_undecided() -> None:
    rules = [None, automaton("^team-a/"), None, automaton("")]
    assert OrderedRules(rules).first_matches(NAMESPACE) == FirstMatches({1: ALL}, {0})
    assert OrderedRules(rules).first_matches("team-b") == FirstMatches({3: "team-b/app"}, {0, 2})


@pytest.mark.parametrize(
    ("regex", "part"),
    [
        ("(?i)team", "'(?i)team'"),
        (r"a\bteam", r"'\\bteam'"),
        ("(?P<name>a)", "'(?P<name>a'"),
        ("[[:alpha:]]", "'[:alpha:]]'"),
        (r"\pN", r"'\\pN'"),
        (r"\Qa.b\E", r"'\\Qa.b\\E'"),
        ("a{,3}", "'{,3}'"),
        ("(" * 51 + "a" + ")" * 51, "'(a)"),
    ],
)
def test_syntax_that_is_not_understood_is_refused(regex: str, part: str) -> None:
    re2.compile(regex, OPTIONS)
    with pytest.raises(UnsupportedRegexError) as caught:
        Automaton(regex)
    assert str(caught.value).startswith(part)


@pytest.mark.parametrize("regex", ["(((", "a)", "[a", "*", "a\\", "[", "[a-", "[^", "(?", "("])
def test_invalid_regex_is_refused(regex: str) -> None:
    with pytest.raises(UnsupportedRegexError):
        Automaton(regex)


HOSTILE = [
    "(a|b)*a(a|b|[0-9]|/){18}$",
    "(.*a){60}$",
    "^(a+|/)+$",
    "(a*)*b",
    "^.{900}$",
    "(((a{0,10}){0,10}){0,10})b$",
]


@pytest.mark.parametrize("regex", HOSTILE)
def test_a_hostile_rule_takes_a_bounded_number_of_steps(regex: str) -> None:
    steps = 0

    class Counted(Automaton):
        def step(self, state: State, char: str) -> State:
            nonlocal steps
            steps += 1
            return super().step(state, char)

    try:
        rule = Counted(regex)
    except UnsupportedRegexError:
        rule = None
    found = OrderedRules([rule, automaton("")]).first_matches("a")
    assert found.examples.keys() | found.undecided == {0, 1}
    assert steps <= first_match._MAX_STEPS


@given(
    st.lists(REGEXES, max_size=3),
    st.lists(st.from_regex(r"[abt]{1,4}", fullmatch=True), min_size=2, max_size=5),
)
def test_first_matches_do_not_depend_on_earlier_questions(
    rules: list[str], namespaces: list[str]
) -> None:
    automata = [automaton(rule) for rule in rules]
    shared = OrderedRules(automata)
    for namespace in namespaces:
        alone = OrderedRules(automata).first_matches(namespace)
        assert shared.first_matches(namespace) == alone


def test_three_hundred_namespaces_are_decided_in_any_order() -> None:
    numbers = random.Random(1).sample(range(300), 300)
    rules = OrderedRules([*(automaton(f"^team-{i:03}/.+") for i in range(300)), automaton("")])
    for i in numbers:
        assert rules.first_matches(f"team-{i:03}").examples.keys() == {i}
