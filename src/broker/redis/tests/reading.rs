//! Spans, limits, broken entries.

use super::super::super::Entry;
use super::*;

fn seqs(snapshot: &Snapshot) -> Vec<u64> {
    snapshot.entries.iter().map(|entry| entry.seq).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_span_answers_ascending_and_tells_whether_there_is_more() {
    let log = Log::start();
    for number in 1..=6 {
        log.say(&number.to_string()).await;
    }
    log.server.run(&["XDEL", &log.key("log"), "3-0"]);
    let rows: [(Span, usize, &[u64], bool); 12] = [
        (Span::After(0), 10, &[1, 2, 4, 5, 6], false),
        (Span::After(0), 3, &[1, 2, 4], true),
        (Span::After(2), 3, &[4, 5, 6], false),
        (Span::After(6), 3, &[], false),
        (Span::After(u64::MAX), 3, &[], false),
        (Span::After(0), 0, &[], true),
        (Span::Before(5), 10, &[1, 2, 4], false),
        (Span::Before(5), 2, &[2, 4], true),
        (Span::Before(1), 2, &[], false),
        (Span::Before(u64::MAX), 2, &[5, 6], true),
        (Span::Newest, 2, &[5, 6], true),
        (Span::Newest, 5, &[1, 2, 4, 5, 6], false),
    ];
    for (span, limit, expected, more) in rows {
        let snapshot = log.read(span, limit).await;
        assert_eq!(
            (seqs(&snapshot), snapshot.more),
            (expected.to_vec(), more),
            "{span:?} {limit}"
        );
        assert_eq!((snapshot.first, snapshot.end), (1, 6));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_without_keys_reads_as_empty_and_is_not_created() {
    let log = Log::start();
    for span in [Span::After(0), Span::Before(9), Span::Newest] {
        assert_eq!(log.read(span, 10).await, Snapshot::default());
    }
    assert_eq!(log.server.run(&["DBSIZE"]), redis::Value::Int(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_entries_break_nothing() {
    let log = Log::start();
    let first = log.say("1").await;
    let key = log.key("log");
    for entry in [
        &["2-0", "x", "y"][..],
        &["3-0", "e", "", "at", "soon", "m", "{}"],
        &["4-0", "e", "other epoch with spaces", "at", "5"],
        &["5-0", "m", "five", "m", "5"],
        &["6-7", "e", "e", "at", "1", "m", "6"],
    ] {
        log.server.run(&[&["XADD", &key], entry].concat());
    }
    log.server.run_bytes(&[
        b"XADD",
        key.as_bytes(),
        b"7-0",
        b"e",
        b"\xff",
        b"at",
        b"1",
        b"m",
        b"\xff\x00",
    ]);
    let next = log.say("8").await;
    assert_eq!((next.seq, &next.epoch), (8, &first.epoch));
    let entry = |seq, at, m: &'static [u8]| Entry {
        epoch: first.epoch.clone(),
        seq,
        at,
        m: Bytes::from_static(m),
    };
    let expected = [
        entry(1, first.at, b"1"),
        entry(2, first.at, b""),
        entry(3, first.at, b"{}"),
        Entry {
            epoch: Epoch::parse("other epoch with spaces").unwrap(),
            ..entry(4, 5, b"")
        },
        entry(5, 5, b"5"),
        entry(7, 1, b"\xff\x00"),
        entry(8, next.at, b"8"),
    ];
    assert_eq!(log.read(Span::After(0), 10).await.entries, expected);
    log.server.run(&["DEL", &log.key("meta")]);
    let rebuilt = log.read(Span::After(0), 10).await;
    assert_eq!(epochs(&rebuilt)[0], (&first.epoch, 1));
    assert!(log.say("9").await.seq == 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_of_any_bytes_come_back_as_they_went() {
    let log = Log::start();
    let contents = [
        "",
        "\0\r\n$5\r\n",
        "한국어 🦀 \"quotes\" \\",
        &"x".repeat(300 * 1024),
    ];
    for (number, text) in contents.iter().enumerate() {
        let key = number.to_string();
        log.send(Message {
            key: &key,
            text,
            ..Message::default()
        })
        .await
        .unwrap();
    }
    let read = log.all().await;
    assert_eq!(
        read.iter()
            .map(|(_, text)| text.as_str())
            .collect::<Vec<_>>(),
        contents
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_without_an_answer_ends_in_time() {
    let log = Log::start_with(&[], |options| options.send_timeout = SHORT);
    log.say("1").await;
    log.server.signal("STOP");
    let began = Instant::now();
    assert!(
        reader::read(&log.link, &room(), Span::Newest, 1)
            .await
            .is_err()
    );
    assert!(began.elapsed() < 2 * SHORT, "{:?}", began.elapsed());
    log.server.signal("CONT");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_identity_key_stays() {
    let log = Log::start();
    let (first, second) = (
        Bytes::from_static(b"\x00first\xff"),
        Bytes::from_static(b"second"),
    );
    assert_eq!(
        super::super::identity::key(&log.link, &first)
            .await
            .unwrap(),
        first
    );
    assert_eq!(
        super::super::identity::key(&log.link, &second)
            .await
            .unwrap(),
        first
    );
    log.server.run(&["FLUSHALL"]);
    log.server.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = super::super::identity::key(&log.link, &second)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("maxmemory"), "{refused}");
}
