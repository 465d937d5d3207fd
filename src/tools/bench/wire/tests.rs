use proptest::prelude::*;

use super::*;

/// Frames as a server writes them.
fn server_frame(opcode: u8, is_last: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![if is_last { FIN } else { 0 } | opcode];
    match payload.len() {
        length @ 0..126 => bytes.push(u8::try_from(length).unwrap()),
        length @ 126..65_536 => {
            bytes.push(126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

proptest! {
    #[test]
    fn frames_are_the_same_wherever_the_bytes_are_cut(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..6),
        cuts in prop::collection::vec(1_usize..40, 1..200),
    ) {
        let stream: Vec<u8> = payloads.iter().flat_map(|payload| server_frame(TEXT, true, payload)).collect();
        let (mut kept, mut read, mut at) = (Vec::new(), Vec::new(), 0);
        let mut cuts = cuts.into_iter().cycle();
        while at < stream.len() {
            let end = stream.len().min(at + cuts.next().unwrap());
            kept.extend_from_slice(&stream[at..end]);
            at = end;
            while let Some((frame, length)) = read_frame(&kept).unwrap() {
                prop_assert_eq!((frame.opcode, frame.is_last), (TEXT, true));
                read.push(frame.payload.to_vec());
                kept.drain(..length);
            }
        }
        prop_assert_eq!(read, payloads);
    }

    #[test]
    fn a_masked_frame_holds_what_was_written(
        payload in prop::collection::vec(any::<u8>(), 0..600),
        mask in any::<[u8; 4]>(),
    ) {
        let mut bytes = Vec::new();
        write_frame(TEXT, &payload, mask, &mut bytes);
        let header = bytes.len() - payload.len();
        prop_assert_eq!(bytes[0], FIN | TEXT);
        prop_assert_eq!(bytes[1] & MASKED, MASKED);
        prop_assert_eq!(&bytes[header - 4..header], &mask);
        let plain = bytes[header..].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        prop_assert!(plain.eq(payload.iter().copied()));
        // Its length reads as that of an unmasked frame with the same header.
        bytes[1] &= !MASKED;
        bytes.drain(header - 4..header);
        let (frame, length) = read_frame(&bytes).unwrap().unwrap();
        prop_assert_eq!((frame.payload.len(), length), (payload.len(), bytes.len()));
    }
}

#[test]
fn long_frames_are_read() {
    for length in [125, 126, 65_535, 65_536, 200_000] {
        let bytes = server_frame(BINARY, false, &vec![7; length]);
        let (frame, taken) = read_frame(&bytes).unwrap().unwrap();
        assert_eq!((frame.payload.len(), taken), (length, bytes.len()));
        assert!(!frame.is_last);
        assert_eq!(read_frame(&bytes[..bytes.len() - 1]).unwrap(), None);
    }
}

#[test]
fn lengths_are_written_in_the_shortest_form() {
    for (length, header) in [(125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
        let mut bytes = Vec::new();
        write_frame(PONG, &vec![7; length], [1, 2, 3, 4], &mut bytes);
        assert_eq!(bytes.len(), header + length);
    }
}

#[test]
fn frames_that_no_server_may_send_are_told() {
    assert!(
        read_frame(&[FIN | 0x40 | TEXT, 0])
            .unwrap_err()
            .contains("reserved")
    );
    assert!(
        read_frame(&[FIN | TEXT, MASKED])
            .unwrap_err()
            .contains("masked")
    );
    let endless = [FIN | TEXT, 127, 1, 0, 0, 0, 0, 0, 0, 0];
    assert!(read_frame(&endless).unwrap_err().contains("16 MiB"));
}

/// The request and answer of RFC 6455, section 1.3.
const OPENING: Opening = Opening {
    nonce: *b"the sample nonce",
};
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[test]
fn a_session_is_open_once_the_right_answer_has_come() {
    assert_eq!(OPENING.key(), "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    let bytes = [answer.as_bytes(), &[FIN | TEXT, 0]].concat();
    for end in 0..answer.len() {
        assert_eq!(OPENING.read(&bytes[..end]), Answer::Unfinished);
    }
    assert_eq!(OPENING.read(&bytes), Answer::Open(answer.len()));
}

#[test]
fn other_answers_are_refusals_with_what_they_say() {
    let rows = [
        (
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n\r\n",
            "HTTP 503",
            Some(2),
        ),
        ("HTTP/1.1 400 Bad Request\r\n\r\nno", "HTTP 400", None),
        (
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "a wrong Sec-WebSocket-Accept",
            None,
        ),
        (
            "SSH-2.0-OpenSSH\r\n\r\n",
            "an answer that is not HTTP",
            None,
        ),
    ];
    for (answer, why, retry_after) in rows {
        let refused = Answer::Refused(why.to_owned(), retry_after);
        assert_eq!(OPENING.read(answer.as_bytes()), refused, "{answer:?}");
    }
    let endless = vec![b'x'; LONGEST_ANSWER + 1];
    assert!(matches!(OPENING.read(&endless), Answer::Refused(..)));
}

#[test]
fn a_close_frame_is_told_with_code_and_reason() {
    assert_eq!(close_reason(b"\x03\xf4drain"), "1012 drain");
    assert_eq!(close_reason(b"\x03\xe8"), "1000");
    assert_eq!(close_reason(b""), "no code");
}
