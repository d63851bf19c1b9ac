//! Damaged pages of relation files: the statement that reads one fails with `XX001` and names file
//! and block; every other page and table goes on.

use std::path::Path;

use tests::server::{Server, Stop};

use super::support::{
    PAGE, bytes_at, change, fill, flip, mamont, refused, relfile, server_on, setup, stopped, text,
};

fn name(path: &Path) -> String {
    format!("base/{}", path.file_name().and_then(|n| n.to_str()).expect("a name"))
}

/// Reading the table must fail and name that block of that file.
#[track_caller]
fn names(server: &Server, path: &Path, block: u64, what: &str) {
    let error = server.connect().fail("SELECT count(*) FROM bad WHERE b IS NOT NULL");
    assert_eq!(error.sqlstate, "XX001", "{what}: {error}");
    let place = format!("block {block} of {}", name(path));
    assert!(error.message.contains(&place), "{what}: \"{place}\" is not in {error}");
}

fn verify(path: &Path) -> (bool, String) {
    let done = mamont(&["page", "verify", text(path)]);
    (done.status.success(), done.stdout)
}

/// A damaged page never becomes valid in a buffer, so each query reads it from disk again: one
/// server sees all cases.
#[test]
fn every_flipped_bit_of_a_header_and_some_of_the_body_are_named_with_file_and_block() {
    let (mut server, path) = stopped();
    // So that it is bad when it is read first.
    flip(&path, 3 * PAGE + 5000, 1);
    server.start_again();
    names(&server, &path, 3, "the first bit");
    flip(&path, 3 * PAGE + 5000, 1);
    let body = (32..8192).step_by(509);
    for at in (0..32).chain(body) {
        for bit in 0..8 {
            flip(&path, 3 * PAGE + at, 1 << bit);
            names(&server, &path, 3, &format!("byte {at}, bit {bit}"));
            flip(&path, 3 * PAGE + at, 1 << bit);
        }
    }
    // The session goes on after an error, and so does everything else.
    flip(&path, 3 * PAGE + 9, 1);
    let mut client = server.connect();
    assert_eq!(client.fail("SELECT * FROM bad").sqlstate, "XX001");
    assert_eq!(client.fail("UPDATE bad SET a = a + 1").sqlstate, "XX001");
    assert_eq!(client.value("SELECT count(*) FROM good"), "2000");
    client.ok("INSERT INTO good VALUES (1, 'x'); DELETE FROM good WHERE b = 'x'");
    flip(&path, 3 * PAGE + 9, 1);
    assert_eq!(client.value("SELECT count(*) FROM bad"), "2000", "all bits are back");
}

#[test]
fn the_tool_finds_each_of_many_bad_pages() {
    let (_server, path) = stopped();
    let blocks = path.metadata().expect("there").len() / PAGE;
    let (good, said) = verify(&path);
    assert!(good && said.contains(&format!("{blocks} pages")), "{said}");
    for block in 0..blocks {
        flip(&path, block * PAGE + block * 97 % PAGE, 1 << (block % 8));
    }
    let (good, said) = verify(&path);
    assert!(!good && said.contains(&format!(" 0 new, {blocks} bad")), "{said}");
    for block in 0..blocks {
        assert!(said.contains(&format!(": block {block}: its checksum is ")), "{block}: {said}");
    }
    for odd in [100, 0] {
        let file = std::fs::File::options().write(true).open(&path).expect("there");
        file.set_len(PAGE + odd).expect("cut");
        let (_, said) = verify(&path);
        assert_eq!(said.contains("block 1: the file ends within the page"), odd > 0, "{said}");
    }
}

#[test]
fn a_page_that_belongs_elsewhere_is_noticed() {
    let (mut server, path) = stopped();
    let whole = std::fs::read(&path).expect("read");
    let page = |path: &Path, block: u64| bytes_at(path, block * PAGE, PAGE as usize);
    let number: u64 =
        path.file_name().and_then(|n| n.to_str()).expect("a name").parse().expect("n");
    // The other table's file is the one made before.
    let other = path.with_file_name((number - 1).to_string());
    for (what, page) in [
        ("another block of the file", page(&path, 2)),
        ("the same block of another file", page(&other, 3)),
    ] {
        change(&path, 3 * PAGE, PAGE as usize, |bytes| bytes.copy_from_slice(&page));
        server.start_again();
        names(&server, &path, 3, what);
        server.stop(Stop::Fast);
        assert!(!verify(&path).0, "{what}");
        std::fs::write(&path, &whole).expect("mended");
    }
}

/// The checksum does not know the database: a file of the same number from another one passes it.
/// Its LSN does not, where that database has written more.
#[test]
fn a_page_of_another_database_that_is_ahead_of_the_log_is_noticed() {
    let (mut server, path) = stopped();
    let mut ahead = setup().start();
    let mut client = ahead.connect();
    client.ok("CREATE TABLE good (a int, b text); CREATE TABLE bad (a int, b text)");
    // Far enough: the images that hints of a scan leave make our log grow too.
    fill(&mut client, "good", 50_000);
    fill(&mut client, "bad", 6000);
    let foreign = ahead.data().join("base").join(relfile(&mut client, "bad"));
    ahead.stop(Stop::Fast);
    assert_eq!(name(&foreign), name(&path), "made by the same statements");
    let blocks = path.metadata().expect("there").len() / PAGE;
    let last = bytes_at(&foreign, (blocks - 1) * PAGE, PAGE as usize);
    change(&path, (blocks - 1) * PAGE, PAGE as usize, |bytes| bytes.copy_from_slice(&last));
    server.start_again();
    names(&server, &path, blocks - 1, "a foreign page");
    let error = server.connect().fail("SELECT count(*) FROM bad WHERE b IS NOT NULL");
    assert!(error.message.contains("the log ends at 0/"), "{error}");
    assert!(verify(&path).0, "the tool knows no log");
}

/// A crash may leave pages of zeros wherever a file had grown, so one in a table passes for new, in
/// PostgreSQL too: the rows are gone without a word. The tool counts them.
#[test]
fn a_page_of_zeros_in_a_table_is_told_by_the_tool_alone() {
    let (mut server, path) = stopped();
    let (_, before) = verify(&path);
    let number = |said: &str, word: &str| {
        let words: Vec<&str> = said.split_whitespace().collect();
        let at = words.iter().position(|found| *found == word).expect("said");
        words[at - 1].parse::<u64>().expect("a number")
    };
    assert!(!before.contains("lie before"), "{before}");
    change(&path, 3 * PAGE, PAGE as usize, |bytes| bytes.fill(0));
    let (good, said) = verify(&path);
    assert!(good && number(&said, "good,") + 1 == number(&before, "good,"), "{said}");
    assert!(number(&said, "new,") == number(&before, "new,") + 1, "{said}");
    assert!(said.contains("1 of the new pages lie before pages in use"), "{said}");
    server.start_again();
    let left = server.connect().number("SELECT count(*) FROM bad");
    assert!(left < 2000 && left > 1900, "{left}");
}

/// A status page of zeros would say of every transaction on it that it had aborted.
#[test]
fn a_status_page_of_zeros_is_refused() {
    let (mut server, path) = stopped();
    let status = path.with_file_name("1");
    let whole = std::fs::read(&status).expect("read");
    for (what, cut) in [("zeros", PAGE), ("no page", 0)] {
        std::fs::write(&status, vec![0; cut as usize]).expect("written");
        server.allow("block 0 of base/1");
        if server.try_start().is_ok() {
            let mut client = server.connect();
            for query in ["SELECT count(*) FROM bad", "INSERT INTO bad VALUES (1, 'x')"] {
                let error = client.fail(query);
                assert_eq!(error.sqlstate, "XX001", "{what}: {error}");
                assert!(error.message.contains("block 0 of base/1"), "{what}: {error}");
            }
            drop(client);
            server.stop(Stop::Fast);
        }
        std::fs::write(&status, &whole).expect("mended");
    }
    server.start_again();
    assert_eq!(server.connect().value("SELECT count(*) FROM bad"), "2000");
}

/// The start removes files that no table owns. A lost page of `pg_class` must not make it remove
/// the files of the tables that stood there.
#[test]
fn a_page_of_zeros_in_a_system_table_costs_no_file() {
    let mut server = setup().start();
    let mut client = server.connect();
    for number in 0..200 {
        client.ok(&format!("CREATE TABLE t{number} (a int); INSERT INTO t{number} VALUES (1)"));
    }
    drop(client);
    server.stop(Stop::Fast);
    let base = server.data().join("base");
    let class = base.join("4");
    let whole = std::fs::read(&class).expect("read");
    assert!(whole.len() as u64 >= 2 * PAGE, "pg_class has several pages");
    let files = || std::fs::read_dir(&base).expect("read").count();
    let before = files();
    change(&class, PAGE, PAGE as usize, |bytes| bytes.fill(0));
    server.allow("block 1 of base/4 is all zeros");
    server.start_again();
    assert!(server.log().text().contains("block 1 of base/4 is all zeros"));
    server.stop(Stop::Fast);
    assert_eq!(files(), before, "no file was removed");
    std::fs::write(&class, &whole).expect("mended");
    server.start_again();
    let mut client = server.connect();
    (0..200).for_each(|n| assert_eq!(client.value(&format!("SELECT a FROM t{n}")), "1"));
    drop(client);
    server.stop(Stop::Fast);
    for first in ["2", "3", "4", "5"] {
        let path = base.join(first);
        let whole = std::fs::read(&path).expect("read");
        change(&path, 0, PAGE as usize, |bytes| bytes.fill(0));
        let place = format!("block 0 of base/{first}");
        refused(server.data(), first, &["all zeros", &place]);
        flip(&path, 8, 1);
        refused(server.data(), first, &["checksum", &place]);
        std::fs::write(&path, &whole).expect("mended");
        assert_eq!(files(), before, "no file was removed");
    }
}

#[test]
fn a_table_whose_file_is_gone_is_not_an_empty_one() {
    let (server, path) = stopped();
    let aside = server.scratch().join("aside");
    std::fs::rename(&path, &aside).expect("moved");
    let mut again = server_on(server.data());
    again.start_again();
    let mut client = again.connect();
    for query in ["SELECT count(*) FROM bad", "INSERT INTO bad VALUES (1, 'x')"] {
        let error = client.fail(query);
        assert_eq!(error.sqlstate, "58P01", "{error}");
        assert!(error.message.contains(&name(&path)), "{error}");
    }
    assert!(!path.exists(), "nothing has made it again");
    assert_eq!(client.value("SELECT count(*) FROM good"), "2000");
    client.ok("DROP TABLE bad");
}

/// The free space map holds hints only: a damaged page of it costs room at most.
#[test]
fn a_damaged_free_space_map_costs_no_row() {
    let (mut server, path) = stopped();
    let map = path.with_file_name(format!("{}_fsm", &name(&path)["base/".len()..]));
    let blocks = map.metadata().expect("a map").len() / PAGE;
    (0..blocks).for_each(|block| flip(&map, block * PAGE + 100, 1));
    assert!(!verify(&map).0);
    server.start_again();
    let mut client = server.connect();
    assert_eq!(client.value("SELECT count(*) FROM bad"), "2000");
    client.ok("INSERT INTO bad VALUES (1, 'x')");
    assert_eq!(client.value("SELECT count(*) FROM bad"), "2001");
}
