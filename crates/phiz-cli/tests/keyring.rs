//! A gallery whose key lies in the operating system's keyring: GNOME Keyring, on a D-Bus of the test's own.
//!
//! Where `dbus-daemon` or `gnome-keyring-daemon` is not installed, the test says so and passes, unless
//! `PHIZ_TEST_KEYRING` is set, as in `.ci/run`.
#![cfg(target_os = "linux")]
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use phiz_synth::{FaceModel, Scene, SceneOptions};

/// A bus that starts no service by itself: only the test's keyring is on it.
const BUS: &str = r#"<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"#;

/// A keyring on its own bus, unlocked; its entries lie in a folder and outlive it.
struct Keyring {
    bus: Child,
    daemon: Child,
    address: String,
}

impl Keyring {
    /// None if the programs are not installed.
    fn start(folder: &Path) -> Option<Keyring> {
        std::fs::create_dir_all(folder).unwrap();
        let config = folder.join("bus.conf");
        std::fs::write(&config, BUS).unwrap();
        let mut bus = match Command::new("dbus-daemon")
            .args(["--nofork", "--print-address=1"])
            .arg(format!("--config-file={}", config.display()))
            .stdout(Stdio::piped())
            .spawn()
        {
            Ok(bus) => bus,
            Err(e) => return absent("dbus-daemon", &e),
        };
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let daemon = Command::new("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .env("DBUS_SESSION_BUS_ADDRESS", &address)
            .env("HOME", folder)
            .env("XDG_DATA_HOME", folder.join("data"))
            .env("XDG_RUNTIME_DIR", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut daemon = match daemon {
            Ok(daemon) => daemon,
            Err(e) => {
                let _ = (bus.kill(), bus.wait());
                return absent("gnome-keyring-daemon", &e);
            }
        };
        daemon.stdin.take().unwrap().write_all(b"of the test").unwrap();
        let keyring = Keyring { bus, daemon, address };
        let begun = Instant::now();
        while !keyring.answers() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the keyring does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(keyring)
    }

    /// Whether the keyring is there and has been unlocked.
    fn answers(&self) -> bool {
        let question = ["org.freedesktop.Secret.Service.ReadAlias", "string:default"];
        Command::new("dbus-send")
            .args(["--session", "--print-reply", "--reply-timeout=1000"])
            .args(["--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"])
            .args(question)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .output()
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("/collection/"))
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        for child in [&mut self.daemon, &mut self.bus] {
            let _ = (child.kill(), child.wait());
        }
    }
}

fn absent(program: &str, error: &std::io::Error) -> Option<Keyring> {
    assert!(std::env::var_os("PHIZ_TEST_KEYRING").is_none(), "{program}: {error}");
    eprintln!("not tested: {program} cannot be started ({error})");
    None
}

fn photo(path: &Path, person: u64, seed: u64) {
    let options =
        SceneOptions { people: vec![person], face_height: (110.0, 170.0), ..SceneOptions::default() };
    let scene = Scene::compose(FaceModel::bundled(), &options, seed).unwrap();
    scene.image.save(path).unwrap();
}

#[test]
fn a_gallery_is_opened_by_the_keyring() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let Some(keyring) = Keyring::start(&path("keyring")) else { return };
    photo(&path("ada.png"), 11, 1);
    photo(&path("again.png"), 11, 2);

    let run = |address: &str, arguments: &[&str]| -> Output {
        Command::new(env!("CARGO_BIN_EXE_phiz"))
            .args(arguments)
            .current_dir(folder.path())
            .env("PHIZ_HOME", path("home"))
            .env_remove("PHIZ_PASSPHRASE")
            .env("DBUS_SESSION_BUS_ADDRESS", address)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let works = |address: &str, arguments: &[&str]| -> (String, String) {
        let output = run(address, arguments);
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "phiz {arguments:?}\n{out}\n{err}");
        (out, err)
    };
    let fails = |address: &str, arguments: &[&str]| -> String {
        let output = run(address, arguments);
        assert_eq!(output.status.code(), Some(2), "phiz {arguments:?}");
        text(output.stderr)
    };

    works(&keyring.address, &["enroll", "Ada", "ada.png", "--keyring"]);
    assert_eq!(files(&path("home")), ["gallery.phiz"], "no key file");
    // Whatever opened it once needs to be told nothing.
    assert!(works(&keyring.address, &["identify", "again.png"]).0.contains("Ada"));
    assert!(works(&keyring.address, &["gallery", "stats"]).0.contains("keyring (entry gallery-"));

    // No keyring, another user's keyring, another key: told apart.
    let nowhere = "unix:path=/nonexistent/bus";
    let error = fails(nowhere, &["people"]);
    assert!(error.contains("keyring cannot be used") && error.contains("unlock"), "{error}");
    let error = fails(nowhere, &["enroll", "Ben", "ada.png", "--gallery", "new.phiz", "--keyring"]);
    assert!(error.contains("keyring cannot be used"), "{error}");
    let another = Keyring::start(&path("another")).unwrap();
    let error = fails(&another.address, &["people"]);
    assert!(error.contains("holds no entry `gallery-") && error.contains("as the user"), "{error}");
    std::fs::write(path("a.key"), "phiz-key-1 00").unwrap();
    let error = fails(&keyring.address, &["people", "--key", "a.key"]);
    assert!(error.contains("sealed by a key in the operating system's keyring"), "{error}");

    // The entry outlives the daemon.
    drop(keyring);
    let keyring = Keyring::start(&path("keyring")).unwrap();
    assert!(works(&keyring.address, &["people"]).0.contains("Ada"));

    // To a file, which needs no keyring, and back.
    let (_, note) = works(&keyring.address, &["gallery", "key", "exchange", "--to-file", "home/gallery.key"]);
    assert!(note.contains("still in the keyring"), "{note}");
    assert!(works(nowhere, &["people"]).0.contains("Ada"));
    let (out, note) = works(&another.address, &["gallery", "key", "rotate", "--to-keyring", "--yes"]);
    assert!(out.contains("keyring (entry gallery-") && !note.contains("still"), "{out}{note}");
    assert!(works(&another.address, &["people"]).0.contains("Ada"));
    let error = fails(&keyring.address, &["people"]);
    assert!(error.contains("holds no entry"), "{error}");
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
