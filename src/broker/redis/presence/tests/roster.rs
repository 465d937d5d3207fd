//! Pages of a roster.

use super::*;

#[tokio::test]
async fn pages_name_everybody_who_stays_though_others_come_and_go() {
    let server = RedisServer::start();
    let one = Member::start(&server, "n1").await;
    let mut wire = server.connection();
    for (stay, limit) in [(90, 25), (1000, 100), (1000, 3)] {
        server.run(&["DEL", presence_key()]);
        for index in 0..stay {
            server.run(&[
                "HSET",
                presence_key(),
                &format!("s.{index}"),
                r#"{"name":"S","leases":["l"]}"#,
            ]);
        }
        server.run(&["HSET", presence_key(), "odd", "nonsense"]);
        let (mut seen, mut cursor, mut turn) = (std::collections::HashSet::new(), None, 0);
        loop {
            let page = one
                .presence
                .roster(&room(), cursor.as_deref(), limit)
                .await
                .unwrap();
            let ids: std::collections::HashSet<_> =
                page.members.iter().map(|user| user.id.clone()).collect();
            assert_eq!(ids.len(), page.members.len(), "a page names a user twice");
            // One bucket of the hash may hold more than a very small page.
            assert!(
                page.members.len() <= limit.max(10),
                "{} of {limit}",
                page.members.len()
            );
            assert!(page.count > stay);
            seen.extend(ids.into_iter().filter(|id| id.as_str().starts_with("s.")));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
            let mut churn = redis::pipe();
            for index in 0..50 {
                churn
                    .hdel(presence_key(), format!("c{turn}.{index}"))
                    .ignore();
                churn
                    .hset(
                        presence_key(),
                        format!("c{}.{index}", turn + 1),
                        r#"{"name":"C","leases":["l"]}"#,
                    )
                    .ignore();
            }
            churn.exec(&mut wire).unwrap();
            turn += 1;
        }
        assert_eq!(seen.len(), stay as usize);
    }
    let first = one.presence.roster(&room(), Some("what"), 5).await.unwrap();
    assert!((1..=5).contains(&first.members.len()) && first.cursor.is_some());
}
