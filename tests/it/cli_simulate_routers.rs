//! `serin simulate -f` behind NGINX, Istio and AWS load balancers: users come by the router that the Rollout names, whether its objects
//! are given or not.

use std::process::{Command, Stdio};

/// Plays a good release of an example; what is printed.
fn played(name: &str, file: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serin"));
    command
        .args(["simulate", "-f", file])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{name}\n{told}");
    // Lines are broken where the terminal ends.
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(name: &str, users: &str, added: &[&str], served: &str) {
    let example = format!("examples/{name}.yaml");
    let whole = played(name, &example);
    // The Rollout alone, which stands last: what its router needs is made.
    let text = std::fs::read_to_string(format!("{}/{example}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let path = std::env::temp_dir().join(format!("serin-{}-{name}.yaml", std::process::id()));
    std::fs::write(&path, text.rsplit("\n---\n").next().unwrap()).unwrap();
    let alone = played(name, &path.display().to_string());
    let _ = std::fs::remove_file(path);
    for told in [&whole, &alone] {
        for part in [users, served, "promoted after"] {
            assert!(told.contains(part), "{name}: {part:?} is not in\n{told}");
        }
    }
    for object in added {
        let part = format!("added: {object}");
        assert!(
            alone.contains(&part) && !whole.contains(&part),
            "{name}: {part:?}\n{alone}"
        );
    }
}

#[test]
fn users_come_by_the_ingress_behind_nginx() {
    let added = ["Ingress default/shop", "Service default/shop-stable"];
    check("canary-nginx", "come by Ingress shop", &added, "25.0%");
}

#[test]
fn users_come_by_the_virtual_service_in_a_mesh() {
    let added = [
        "VirtualService default/shop",
        "DestinationRule default/shop",
        "Service default/shop",
    ];
    check("canary-istio", "come by VirtualService shop", &added, "20.0%");
}

#[test]
fn users_come_by_the_ingress_behind_a_load_balancer() {
    let added = [
        "Ingress default/shop",
        "Service default/shop-root",
        "Service default/shop-ping",
    ];
    check("canary-alb", "come by Ingress shop", &added, "5.0%");
}
