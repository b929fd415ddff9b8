//! The rules of this repository, as tests: layers, sizes, words, dead files, links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 500;
const FLAT_TABLE: &str = "// flat table";
/// Packages that the whole program may bring, and that the core alone may bring.
const PACKAGES_MAX: usize = 320;
const PACKAGES_CORE_MAX: usize = 60;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<PathBuf> {
    ["src", "tests", "benches"]
        .into_iter()
        .flat_map(|folder| files(folder, "rs"))
        .collect()
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn check(problems: &[String]) {
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// Which of our modules each module may name, beside itself.
const LAYERS: [(&str, &[&str]); 11] = [
    ("base", &[]),
    ("api", &["base"]),
    ("route", &["base", "api", "plan"]),
    ("measure", &["base", "api", "plan"]),
    ("plan", &["base", "api", "route"]),
    ("notify", &["base", "api", "plan"]),
    ("view", &["base", "api", "plan"]),
    ("cluster", &["base"]),
    (
        "controller",
        &["base", "api", "plan", "route", "measure", "notify", "view"],
    ),
    (
        "simulate",
        &[
            "base",
            "api",
            "plan",
            "route",
            "measure",
            "notify",
            "view",
            "cluster",
            "controller",
        ],
    ),
    (
        "cli",
        &[
            "base",
            "api",
            "plan",
            "route",
            "measure",
            "notify",
            "view",
            "cluster",
            "controller",
            "simulate",
        ],
    ),
];

#[test]
fn modules_import_only_from_the_layers_below() {
    let mut problems = Vec::new();
    for (module, allowed) in LAYERS {
        for path in files(&format!("src/{module}"), "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for (_, after) in code.match_indices("crate::").map(|(at, _)| (at, &code[at + 7..])) {
                    let named: String = after
                        .chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect();
                    let ours = LAYERS.iter().any(|(known, _)| *known == named);
                    if ours && named != module && !allowed.contains(&named.as_str()) {
                        problems.push(format!(
                            "{}:{}: {module} may not use {named}",
                            name(&path),
                            number + 1
                        ));
                    }
                }
            }
        }
    }
    check(&problems);
}

/// A law that shared code with what it judges would be wrong in the same way: of ours it may use only the vocabulary, the cluster and
/// the records.
#[test]
fn the_laws_live_apart_from_what_they_judge() {
    const ALLOWED: [&str; 3] = ["crate::base::", "crate::cluster::", "crate::simulate::record"];
    let mut problems = Vec::new();
    for path in files("src/simulate/laws", "rs") {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (at, _) in code.match_indices("crate::") {
                if !ALLOWED.iter().any(|allowed| code[at..].starts_with(allowed)) {
                    problems.push(format!("{}:{}: {}", name(&path), number + 1, line.trim()));
                }
            }
        }
    }
    check(&problems);
}

/// Words that must not stand in a module, with what to do instead. Test modules are exempt.
const BANNED: [(&str, &[&str], &str); 6] = [
    (
        "SystemTime::now",
        &["src/base/clock.rs"],
        "time comes from base::clock",
    ),
    ("Utc::now", &["src/base/clock.rs"], "time comes from base::clock"),
    (
        "println!",
        &["src/cli/printer.rs"],
        "only the printer writes to the terminal",
    ),
    (
        "HashMap",
        &["src/controller", "src/cli"],
        "maps are ordered inside the core",
    ),
    ("todo!", &[], "nothing is a stub"),
    ("unimplemented!", &[], "nothing is a stub"),
];

#[test]
fn banned_words_stand_nowhere() {
    let mut problems = Vec::new();
    for path in files("src", "rs") {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (word, exempt, instead) in BANNED {
            let here = name(&path);
            if here.ends_with("_tests.rs") || exempt.iter().any(|prefix| here.starts_with(prefix)) {
                continue;
            }
            for (number, line) in code.lines().enumerate() {
                if line.split("//").next().unwrap_or_default().contains(word) {
                    problems.push(format!("{here}:{}: {word}: {instead}", number + 1));
                }
            }
        }
    }
    check(&problems);
}

/// The project speaks only of itself. The words are put together here so that this file does not hold them.
#[test]
fn the_project_speaks_only_of_itself() {
    let words = [
        ["/wo", "rk/"].concat(),
        ["/tmp", "/wt"].concat(),
        ["shared", "/spec"].concat(),
        ["bash", "_jobs"].concat(),
    ];
    let mut problems = Vec::new();
    let folders = ["src", "tests", "docs", "examples", "deploy", "crds", "benches"];
    let extensions = ["rs", "md", "yaml", "sh", "go", "toml"];
    let listed = folders
        .into_iter()
        .flat_map(|folder| extensions.map(|extension| files(folder, extension)));
    for path in listed
        .flatten()
        .chain([root().join("README.md"), root().join("Makefile")])
    {
        let text = fs::read_to_string(&path).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word.as_str())) {
                problems.push(format!("{}:{}: {line}", name(&path), number + 1));
            }
        }
    }
    check(&problems);
}

#[test]
fn files_are_short() {
    let mut problems = Vec::new();
    for path in rust_files() {
        let text = fs::read_to_string(&path).unwrap();
        let flat = text.lines().take(5).any(|line| line.trim() == FLAT_TABLE);
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX && !flat {
            problems.push(format!(
                "{}: {lines} lines, at most {FILE_LINES_MAX}",
                name(&path)
            ));
        }
    }
    check(&problems);
}

#[test]
fn functions_are_short() {
    let mut problems = Vec::new();
    for path in rust_files() {
        let text = fs::read_to_string(&path).unwrap();
        if text.lines().take(5).any(|line| line.trim() == FLAT_TABLE) {
            continue;
        }
        for (line, length) in long_functions(&text) {
            problems.push(format!(
                "{}:{line}: a function of {length} lines, at most {FUNCTION_LINES_MAX}",
                name(&path)
            ));
        }
    }
    check(&problems);
}

/// Line and length of functions that are too long. The code is formatted, so a function ends at a brace of its own indentation.
fn long_functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut long = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let head = line.trim_start();
        let is_function = [
            "fn ",
            "pub fn ",
            "async fn ",
            "pub async fn ",
            "pub(crate) fn ",
            "pub(super) fn ",
            "const fn ",
        ]
        .iter()
        .any(|prefix| head.starts_with(prefix));
        if !is_function || head.ends_with('}') {
            continue;
        }
        let end = format!("{}}}", " ".repeat(indent));
        let length = lines[start..]
            .iter()
            .position(|line| *line == end)
            .map_or(1, |at| at + 1);
        if length > FUNCTION_LINES_MAX {
            long.push((start + 1, length));
        }
    }
    long
}

#[test]
fn modules_say_what_they_are_for() {
    let silent = files("src", "rs").into_iter().filter(|path| {
        let text = fs::read_to_string(path).unwrap();
        let name = name(path);
        !name.ends_with("tests.rs") && !text.lines().take(2).any(|line| line.starts_with("//!"))
    });
    check(
        &silent
            .map(|path| format!("{}: does not begin with //!", name(&path)))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_source_file_is_compiled() {
    let all = rust_files();
    let texts: Vec<String> = all.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let dead = all.iter().filter(|path| {
        let file = path.file_name().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let module = if file == "mod.rs" {
            folder
        } else {
            file.trim_end_matches(".rs")
        };
        let declared = [
            format!("mod {module};"),
            format!("mod {module} {{"),
            format!("/{file}\""),
            format!("\"{file}\""),
        ];
        let named = texts
            .iter()
            .any(|text| declared.iter().any(|words| text.contains(words.as_str())));
        !named && !manifest.contains(&name(path)) && module != "lib"
    });
    check(
        &dead
            .map(|path| format!("{}: no module names it", name(path)))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn links_of_the_docs_lead_somewhere() {
    let link = regex::Regex::new(r"\]\(([^)#\s]+)(#[^)]*)?\)").unwrap();
    let mut problems = Vec::new();
    for path in files("docs", "md").into_iter().chain([root().join("README.md")]) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if !target.contains("://") && !path.parent().unwrap().join(target).exists() {
                problems.push(format!("{}: {target} does not exist", name(&path)));
            }
        }
    }
    check(&problems);
}

fn packages(arguments: &[&str]) -> BTreeSet<String> {
    let mut command = std::process::Command::new(env!("CARGO"));
    command
        .args(["tree", "--edges", "normal", "--prefix", "none", "--offline"])
        .args(arguments)
        .current_dir(root());
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn dependencies_stay_within_their_budget() {
    let (all, core) = (packages(&[]), packages(&["--no-default-features"]));
    assert!(
        all.len() <= PACKAGES_MAX,
        "{} packages, at most {PACKAGES_MAX}",
        all.len()
    );
    assert!(
        core.len() <= PACKAGES_CORE_MAX,
        "{} packages in the core, at most {PACKAGES_CORE_MAX}",
        core.len()
    );
    let reaching = [
        "tokio",
        "kube",
        "kube-client",
        "hyper",
        "reqwest",
        "axum",
        "tower",
        "tracing",
        "futures",
    ];
    let holes: Vec<_> = reaching
        .into_iter()
        .filter(|package| core.contains(*package))
        .collect();
    assert!(holes.is_empty(), "the core can reach {holes:?}");
}
