//! Disks and mounts as operators have them: folders that cannot be synced or locked, readers by
//! group or ACL, single files that are mounted, Kubernetes' secrets and systemd's credentials.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::{Command, Output, Stdio};

use rekindle_test_servers::{Files, bounded, skipped};
use rustix::fs::{XattrFlags, getxattr, removexattr, setxattr};

use crate::common::keys::{fingerprints, keys, mode, run_keys};
use crate::common::ran::Ran;
use crate::common::{BINARY, read};

/// A group, and a user, that no test machine has.
const SERVICE: u32 = 4_242;

/// Calls of the C library that fail when the environment says so: `BROKEN=fsync-folder`, .., and
/// the renaming with that number.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int fails(const char *what, int error) {
    const char *broken = getenv("BROKEN");
    errno = error;
    return broken != NULL && strstr(broken, what) != NULL;
}

int flock(int file, int operation) {
    if (fails("flock", ENOLCK)) return -1;
    return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(file, operation);
}

int fsync(int file) {
    struct stat found;
    int folder = fstat(file, &found) == 0 && S_ISDIR(found.st_mode);
    if (fails(folder ? "fsync-folder" : "fsync-file", folder ? EINVAL : EIO)) return -1;
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}

int rename(const char *from, const char *to) {
    static int renamed;
    const char *first = getenv("RENAMES");
    if (first != NULL && renamed++ == atoi(first)) {
        errno = EBUSY;
        return -1;
    }
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
"#;

/// Runs `keys` commands on a disk on which some calls fail.
struct Disk {
    files: Files,
}

impl Disk {
    fn new() -> Self {
        let files = Files::new();
        files.replace("shim.c", SHIM.as_bytes());
        let (source, shim) = (files.text("shim.c"), files.text("shim.so"));
        let compiled = bounded(&format!("cc -shared -fPIC -o {shim} {source} -ldl")).status();
        assert!(compiled.expect("a compiler").success());
        fs::create_dir(files.path("disk")).expect("the name is free");
        Self { files }
    }

    fn path(&self, name: &str) -> String {
        self.files.text(&format!("disk/{name}"))
    }

    fn run(&self, environment: &[(&str, &str)], words: &str) -> Ran {
        let mut command = bounded(&format!("{BINARY} keys {words}"));
        let command = command.env("LD_PRELOAD", self.files.path("shim.so"));
        let command = command.envs(environment.iter().copied());
        Ran(command.output().expect("the binary starts"))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.files.path("disk")).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_folder_that_can_be_neither_locked_nor_synced_is_a_warning() {
    let disk = Disk::new();
    let path = disk.path("keys");
    let broken = [("BROKEN", "flock fsync-folder")];
    let warns = |ran: &Ran| {
        assert_eq!(ran.err().lines().count(), 2, "{ran:?}");
        assert!(ran.err().contains("warning: ") && ran.err().contains("cannot be locked"));
        assert!(ran.err().contains("the change is made, and "), "{ran:?}");
    };
    let format = "traffic-server-48";
    let generate = format!("generate --format {format} --out {path}");
    warns(&disk.run(&broken, &generate).expect(0));
    let rotate = format!("rotate --format {format} {path}");
    let staged = disk.run(&broken, &format!("{rotate} --stage")).expect(0);
    warns(&staged);
    let staged = staged.out().trim().trim_start_matches("staged ").to_owned();
    assert_eq!(fingerprints(&path, format).len(), 2);
    let promoted = disk
        .run(&broken, &format!("{rotate} --promote {staged}"))
        .expect(0);
    assert_eq!(promoted.out(), format!("sealing {staged}\n"));
    warns(&promoted);
    // Without a lock, what another command is writing is not taken away.
    fs::write(disk.path(".keys.new"), "of another command").expect("written");
    disk.run(&broken, &format!("{rotate} --stage"))
        .failed(".keys.new: File exists");
    assert_eq!(disk.names(), [".keys.new", "keys"]);
}

#[test]
fn a_file_that_cannot_be_written_changes_nothing() {
    let disk = Disk::new();
    let path = disk.path("keys");
    let format = "traffic-server-48";
    disk.run(&[], &format!("generate --format {format} --out {path}"))
        .expect(0);
    let before = read(&path);
    let stage = format!("rotate --format {format} --stage {path}");
    disk.run(&[("BROKEN", "fsync-file")], &stage)
        .failed("Input/output error");
    disk.run(&[("RENAMES", "0")], &stage)
        .failed("cannot write ");
    assert_eq!(read(&path), before);
    assert_eq!(disk.names(), ["keys"], "nothing is left behind");
}

#[test]
fn a_set_is_replaced_as_a_whole_or_not_at_all() {
    let disk = Disk::new();
    let path = disk.path("keys.d");
    let generate = format!("generate --format nginx-80 --count 3 --out {path}");
    disk.run(&[], &generate).expect(0);
    let rotate = format!("rotate --format nginx-80 {path}");
    let staged = disk.run(&[], &format!("{rotate} --stage")).expect(0);
    let staged = staged.out().trim().trim_start_matches("staged ").to_owned();
    let before = fingerprints(&path, "nginx-80");
    let promote = format!("{rotate} --promote {staged}");
    for number in ["0", "1", "2"] {
        let failed = disk.run(&[("RENAMES", number)], &promote);
        failed
            .failed("cannot write ")
            .failed("Device or resource busy");
        assert_eq!(fingerprints(&path, "nginx-80"), before, "renaming {number}");
        let names = fs::read_dir(&path).expect("a folder").count();
        assert_eq!(names, 3, "nothing is left behind");
    }
    // The key that was staged is still there.
    disk.run(&[], &promote).expect(0);
    assert_eq!(
        fingerprints(&path, "nginx-80")[0],
        ("sealing".to_owned(), staged)
    );
}

#[test]
fn who_could_read_a_file_can_read_it_after_a_rotation() {
    let files = Files::new();
    let path = files.text("keys");
    keys!("generate --format traffic-server-48 --out {path}").expect(0);
    if chown(&path, Some(0), Some(SERVICE)).is_err() {
        return skipped("only root can give a file to a group");
    }
    let rotate = format!("rotate --format traffic-server-48 --stage {path}");
    for (before, after) in [
        (0o640, 0o640),
        (0o600, 0o600),
        (0o660, 0o660),
        (0o644, 0o640),
    ] {
        fs::set_permissions(&path, Permissions::from_mode(before)).expect("it is ours");
        run_keys(&rotate).expect(0);
        let group = fs::metadata(&path).expect("it is there").gid();
        assert_eq!((mode(&path), group), (after, SERVICE), "{before:o}");
    }
    // Read for a user by an ACL: version, then entries of tag, permissions and id.
    let entry = |tag: u16, permissions: u16, id: u32| {
        [
            &tag.to_le_bytes()[..],
            &permissions.to_le_bytes(),
            &id.to_le_bytes(),
        ]
        .concat()
    };
    let entries = [
        (1, 6, !0),
        (2, 4, SERVICE),
        (4, 0, !0),
        (16, 4, !0),
        (32, 0, !0),
    ];
    let entries = entries.map(|(tag, permissions, id)| entry(tag, permissions, id));
    let acl = [&[2, 0, 0, 0][..], &entries.concat()].concat();
    if setxattr(&path, "system.posix_acl_access", &acl, XattrFlags::empty()).is_err() {
        return skipped("this file system has no ACLs");
    }
    run_keys(&rotate).expect(0);
    // A default ACL of the folder lets in no others than before.
    let mut kept = [0; 256];
    let len = getxattr(&path, "system.posix_acl_access", &mut kept[..]).expect("an ACL");
    assert_eq!(kept[..len], acl);
    removexattr(&path, "system.posix_acl_access").expect("it was there");
    fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("it is ours");
    let default = "system.posix_acl_default";
    setxattr(files.directory(), default, &acl, XattrFlags::empty()).expect("as above");
    run_keys(&rotate).expect(0);
    assert!(getxattr(&path, "system.posix_acl_access", &mut kept[..]).is_err());
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn folders_that_are_not_as_they_were_made_are_rotated_or_refused() {
    let files = Files::new();
    let path = files.text("keys");
    let file = |name: &str| format!("{path}/{name}");
    keys!("generate --format nginx-80 --count 3 --out {path}").expect(0);
    let stage = format!("rotate --format nginx-80 {path} --stage");
    // A gap, and a link to elsewhere.
    fs::remove_file(file("opening-1.key")).expect("it was there");
    fs::rename(file("sealing.key"), files.path("elsewhere")).expect("it was there");
    symlink("../elsewhere", file("sealing.key")).expect("the name is free");
    let before = read(&files.text("elsewhere"));
    let staged = run_keys(&stage).expect(0);
    let staged = staged.out().lines().next().expect("a line");
    let staged = staged.trim_start_matches("staged ").to_owned();
    assert_eq!(read(&files.text("elsewhere")), before);
    keys!("rotate --format nginx-80 {path} --promote {staged}").expect(0);
    assert!(
        fs::symlink_metadata(file("sealing.key"))
            .expect("there")
            .is_symlink()
    );
    assert_ne!(read(&files.text("elsewhere")), before);
    assert_eq!(
        fingerprints(&path, "nginx-80")[0],
        ("sealing".to_owned(), staged)
    );
    // A file that would come before the one that the configuration names first.
    fs::copy(file("opening-2.key"), file("sealing.key.1")).expect("copied");
    run_keys(&stage).failed("sealing.key.1 is in the way");
    fs::remove_file(file("sealing.key.1")).expect("it was there");
    fs::rename(file("opening-2.key"), file("opening-2.key.next")).expect("it was there");
    run_keys(&stage).failed("a folder with *.next files is rotated by renaming them");
}

#[test]
fn the_folder_that_a_file_is_in_decides_who_can_replace_it() {
    let Some(output) = in_a_container(
        "
        mkdir open sticky
        for folder in open sticky; do
            $bin keys generate --format traffic-server-48 --out $folder/key
        done
        chmod 777 open; chmod 1777 sticky
        $bin keys check open/key || echo open $?
        $bin keys check sticky/key; echo sticky $?
        chown 4343 sticky/key; cd sticky
        $bin keys check key || echo relative $?
        cd ..; ln -s sticky/key link
        $bin keys check link || echo link $?",
    ) else {
        return;
    };
    let lines: Vec<_> = printed(&output).lines().collect();
    let (told, words): (Vec<_>, Vec<_>) = lines
        .into_iter()
        .partition(|line| line.starts_with("readable-by-others: "));
    assert_eq!(words, ["open 1", "sticky 0", "relative 1", "link 1"]);
    assert_eq!(told.len(), 3);
    assert!(
        told[1].ends_with("its owner, user 4343, can: chown root"),
        "{told:?}"
    );
}

/// Runs a script in a mount namespace of its own, with the binary at `$bin` and a folder at `$dir`
/// that every user may enter. `None` where that is not allowed.
fn in_a_container(script: &str) -> Option<Output> {
    let script = format!(
        "set -eu; dir=$(mktemp -d); mount -t tmpfs -o mode=755 tmpfs $dir; bin=$dir/terminator
         cp {BINARY} $bin; chmod 755 $bin; cd $dir\n{script}"
    );
    let mut command = Command::new("unshare");
    let command = command
        .args(["--mount", "sh", "-c", &script])
        .stdin(Stdio::null());
    let output = command.output().ok()?;
    if String::from_utf8_lossy(&output.stderr).contains("unshare failed") {
        skipped(&format!("no mount namespace: {output:?}"));
        return None;
    }
    Some(output)
}

#[track_caller]
fn printed(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    std::str::from_utf8(&output.stdout).expect("text")
}

#[test]
fn a_single_file_that_is_mounted_is_a_warning_and_not_replaced() {
    let Some(output) = in_a_container(
        "
        $bin keys generate --format traffic-server-48 --out outside
        touch inside; mount --bind outside inside
        $bin keys check inside || echo exit $?
        $bin keys rotate --format traffic-server-48 --stage inside 2>&1 || echo exit $?
        # A file that is put in place outside does not show inside.
        $bin keys generate --format traffic-server-48 --out outside --force
        cmp -s inside outside || echo differ",
    ) else {
        return;
    };
    let lines: Vec<_> = printed(&output).lines().collect();
    assert!(
        lines[0].starts_with("mount-point: inside is a mount point: "),
        "{lines:?}"
    );
    assert!(lines[0].ends_with("mount the folder"), "{lines:?}");
    assert_eq!(lines[1], "exit 1");
    assert!(lines[2].contains("is a mount point, which cannot be replaced in one step"));
    assert_eq!(lines[3..], ["exit 1", "differ"]);
}

#[test]
fn a_kubernetes_secret_is_not_exposed() {
    // As the kubelet lays it out: a folder for all with the sticky bit, the files of a version in a
    // folder with a date, links to it; owned by root, readable for the pod's group, read-only.
    let Some(output) = in_a_container(
        "
        mkdir secret; mount -t tmpfs -o mode=3777 tmpfs secret; chgrp 4242 secret
        mkdir -m 2755 secret/..2026_11_29; ln -s ..2026_11_29 secret/..data
        $bin keys generate --format traffic-server-48 --out secret/..data/tickets.key
        chgrp 4242 secret/..data/tickets.key; chmod 440 secret/..data/tickets.key
        ln -s ..data/tickets.key secret/tickets.key
        check() {
            for path in secret secret/tickets.key; do
                $bin keys check $path; echo root $?
                setpriv --reuid 4242 --regid 4242 --clear-groups $bin keys check $path
                echo service $?
            done
        }
        check
        mount -o remount,ro secret
        check
        mount -o remount,rw secret
        chmod 444 secret/..data/tickets.key; $bin keys check secret || echo exit $?
        chmod 440 secret/..data/tickets.key
        chmod 777 secret; $bin keys check secret || echo exit $?
        chmod 3777 secret; chown 4242:4343 secret/..data/tickets.key
        setpriv --reuid 4242 --regid 4242 --clear-groups $bin keys check secret || echo exit $?",
    ) else {
        return;
    };
    let lines: Vec<_> = printed(&output).lines().collect();
    let (good, bad) = lines.split_at(8);
    assert_eq!(good, ["root 0", "service 0"].repeat(4));
    let everybody = "readable-by-others: secret/tickets.key can be read or changed by others than \
                     the service: every user can (mode 0444): chmod o-rwx";
    assert_eq!(bad[..2], [everybody, "exit 1"]);
    assert!(
        bad[2].starts_with("readable-by-others: secret can be "),
        "{bad:?}"
    );
    assert_eq!(bad[3], "exit 1");
    assert!(
        bad[4].contains("group 4343 can, which this process is not in: chgrp"),
        "{bad:?}"
    );
    assert_eq!(bad[5..], ["exit 1"]);
}

#[test]
fn a_credential_of_systemd_is_not_exposed() {
    // As `LoadCredential=` leaves it: root's, read by the service's user through an ACL, on a
    // read-only mount; and where there are no ACLs, owned by that user.
    let Some(output) = in_a_container(
        "
        mkdir outer; mount -t tmpfs -o mode=755 tmpfs outer
        mkdir -m 500 outer/service; export CREDENTIALS_DIRECTORY=$dir/outer/service
        file=$CREDENTIALS_DIRECTORY/tickets.key
        $bin keys generate --format traffic-server-48 --out $file
        chmod 400 $file
        run() { setpriv --reuid 4242 --regid 4242 --clear-groups $bin keys check $file; }
        if command -v setfacl >/dev/null; then
            setfacl -m u:4242:rx $CREDENTIALS_DIRECTORY; setfacl -m u:4242:r $file
            $bin keys check $file; echo root $?
            run; echo service $?
            setfacl -m u:4343:r $file; run || echo other $?
            setfacl -b $file $CREDENTIALS_DIRECTORY
        else
            printf 'root 0\\nservice 0\\nreadable-by-others: skipped\\nother 1\\n'
        fi
        chown 4242 $CREDENTIALS_DIRECTORY $file; mount -o remount,ro outer
        run; echo owner $?",
    ) else {
        return;
    };
    let lines: Vec<_> = printed(&output).lines().collect();
    assert_eq!(lines[..2], ["root 0", "service 0"]);
    assert!(lines[2].starts_with("readable-by-others: "), "{lines:?}");
    assert_eq!(lines[3..], ["other 1", "owner 0"]);
}

#[test]
fn a_key_in_a_folder_for_all_must_be_the_services_own() {
    let Some(output) = in_a_container(
        "
        mkdir -m 1777 shared
        $bin keys generate --format traffic-server-48 --out shared/1
        $bin keys check shared; echo own $?
        $bin keys generate --format traffic-server-48 --out shared/2
        chown 4343 shared/2; $bin keys check shared || echo planted $?",
    ) else {
        return;
    };
    let lines: Vec<_> = printed(&output).lines().collect();
    assert_eq!(lines[0], "own 0");
    assert!(
        lines[2].contains("shared/2 can be read or changed"),
        "{lines:?}"
    );
    assert!(
        lines[2].ends_with("its owner, user 4343, can: chown root"),
        "{lines:?}"
    );
    assert_eq!(lines[3], "planted 1");
}

#[test]
fn a_read_only_folder_is_read_and_not_written() {
    let Some(output) = in_a_container(
        "
        mkdir -m 777 keys; mount -t tmpfs -o mode=777 tmpfs keys
        $bin keys generate --format traffic-server-48 --out keys/1
        mount -o remount,ro keys
        $bin keys check keys; echo check $?
        $bin keys rotate --format traffic-server-48 --stage keys/1 2>&1 || echo rotate $?",
    ) else {
        return;
    };
    let lines: Vec<_> = printed(&output).lines().collect();
    assert_eq!(lines[0], "check 0");
    assert!(lines[1].contains("Read-only file system"), "{lines:?}");
    assert_eq!(lines[2], "rotate 1");
}
