/* SPDX-License-Identifier: Apache-2.0 */
/* All SQL but the schema's. Values are bound, never written into the text. "finished IS NULL" names the
 * unfinished actions: the partial indexes have it. */
#include "store/store-internal.h"

#define ACTION_COLUMNS \
        "id, target, person, kind, address, remote_id, before, after, state, step, was_uncertain," \
        " attempts, due, queued, begun, finished, cycle, approved, stands, outcome, detail, http_status," \
        " memo, reverts"

#define UNFINISHED "'waiting', 'running', 'uncertain'"
#define REMOVALS "'recreate', 'update', 'disable', 'delete'"
#define LAST_CYCLE "coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'cycle'), 0)"
#define THIS_CYCLE "max(cycle, " LAST_CYCLE ")"

const char *const store_sql[_SQL_MAX] = {
        [SQL_BEGIN] = "BEGIN IMMEDIATE",
        [SQL_COMMIT] = "COMMIT",
        [SQL_ROLLBACK] = "ROLLBACK",

        [SQL_META_SET] =
                "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value ="
                " excluded.value",
        [SQL_META_DELETE] = "DELETE FROM meta WHERE key = ?1",
        [SQL_META_GET] = "SELECT value FROM meta WHERE key = ?1",

        [SQL_PEOPLE_INDEX] = "SELECT row, id, fingerprint, present FROM person",
        [SQL_PEOPLE_COUNT] = "SELECT count(*) FROM person",
        [SQL_PEOPLE_ANY] = "SELECT 1 FROM person LIMIT 1",
        [SQL_PEOPLE_UNINDEX] = "DROP INDEX person_id",
        [SQL_PEOPLE_REINDEX] = "CREATE UNIQUE INDEX person_id ON person (id)",
        [SQL_PERSON_INSERT] =
                "INSERT INTO person (id, fingerprint, present, absent_for, disabled, unreadable, dn,"
                " login, email, first_name, last_name, timezone, employee_number, signal, marks,"
                " ways) VALUES (?1, ?2, 1, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        [SQL_PERSON_UPDATE] =
                "UPDATE person SET fingerprint = ?2, present = 1, absent_for = 0, disabled = ?3,"
                " unreadable = ?4, dn = ?5, login = ?6, email = ?7, first_name = ?8, last_name = ?9,"
                " timezone = ?10, employee_number = ?11, signal = ?12, marks = ?13,"
                " ways = ?14 WHERE row = ?15 AND id = ?1",
        [SQL_PERSON_WAYS] = "SELECT ways FROM person WHERE id = ?1",
        [SQL_PERSON_RETURNED] = "UPDATE person SET present = 1, absent_for = 0 WHERE row = ?1",
        [SQL_PEOPLE_GROW] =
                "UPDATE person SET absent_for = CASE WHEN absent_for < ?2 - ?1 THEN absent_for + ?1 ELSE"
                " ?2 END WHERE present = 0",
        [SQL_PERSON_ABSENT] = "UPDATE person SET present = 0, absent_for = 0 WHERE row = ?1",
        [SQL_PEOPLE_LOAD] =
                "SELECT id, present, absent_for, disabled, unreadable, dn, login, email, first_name,"
                " last_name, timezone, employee_number, signal, marks FROM person WHERE present = 1 OR"
                " EXISTS (SELECT 1 FROM link WHERE link.person = person.id)",
        [SQL_PEOPLE_PRUNE] =
                "DELETE FROM person WHERE present = 0 AND NOT EXISTS (SELECT 1 FROM link WHERE"
                " link.person = person.id) AND NOT EXISTS (SELECT 1 FROM action WHERE action.person ="
                " person.id AND finished IS NULL) RETURNING row, id",

        [SQL_LINKS_LOAD] =
                "SELECT person, remote_id, address, employee_number, role, origin, since, gone, out_for,"
                " was_disabled FROM link WHERE target = ?1 ORDER BY person",
        [SQL_LINK_OF] =
                "SELECT person, remote_id, address, employee_number, role, origin, since, gone, out_for,"
                " was_disabled FROM link WHERE target = ?1 AND remote_id = ?2 AND gone = 0",
        [SQL_LINK_OWNER] =
                "SELECT 1 FROM link WHERE target = ?1 AND remote_id = ?2 AND person <> ?3 AND gone = 0",
        [SQL_LINK_PUT] =
                "INSERT INTO link (target, person, remote_id, address, employee_number, role, origin,"
                " since, gone, out_for, was_disabled) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
                " ON CONFLICT (target, person) DO UPDATE SET remote_id = excluded.remote_id, address ="
                " excluded.address, employee_number = excluded.employee_number, role = excluded.role,"
                " origin = excluded.origin, since = excluded.since, gone = excluded.gone, out_for ="
                " excluded.out_for, was_disabled = excluded.was_disabled",
        [SQL_LINK_DROP] = "DELETE FROM link WHERE target = ?1 AND person = ?2",

        [SQL_SIGNAL_SET] =
                "INSERT INTO signal (target, person, value) VALUES (?1, ?2, ?3) ON CONFLICT (target,"
                " person) DO UPDATE SET value = excluded.value",
        [SQL_SIGNALS] = "SELECT person, value FROM signal WHERE target = ?1 ORDER BY person",
        [SQL_SIGNALS_FORGET] = "DELETE FROM signal WHERE person = ?1",

        [SQL_HELD_DROP] = "DELETE FROM held WHERE target = ?1 AND slot = ?2",
        [SQL_HELD_PUT] = "INSERT INTO held (target, slot, hash, reason, since) VALUES (?1, ?2, ?3, ?4, ?5)",
        [SQL_HELD_ACTION_PUT] =
                "INSERT INTO held_action (target, slot, position, person, kind, address, remote_id, before,"
                " after, reverts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        [SQL_HELD_GET] =
                "SELECT hash, reason, since, (SELECT coalesce(max(position) + 1, 0) FROM held_action WHERE"
                " target = ?1 AND slot = ?2) FROM held WHERE target = ?1 AND slot = ?2",
        [SQL_HELD_ACTIONS] =
                "SELECT person, kind, address, remote_id, before, after, reverts FROM held_action WHERE"
                " target = ?1 AND slot = ?2 ORDER BY position",

        [SQL_REVERTS_ANY] =
                "SELECT 1 FROM reverted WHERE target = ?1 UNION ALL SELECT 1 FROM held WHERE target = ?1 AND"
                " slot = 'revert' UNION ALL SELECT 1 FROM action WHERE target = ?1 AND finished IS NULL AND"
                " reverts <> 0 LIMIT 1",
        [SQL_REVERTED_PUT] =
                "INSERT INTO reverted (target, person, action, basis) VALUES (?1, ?2, ?3, ?4) ON CONFLICT"
                " (target, person) DO UPDATE SET action = excluded.action, basis = excluded.basis, account ="
                " NULL",
        [SQL_REVERTED_ACCOUNT] = "UPDATE reverted SET account = ?3 WHERE target = ?1 AND person = ?2",
        [SQL_REVERTED_DROP] = "DELETE FROM reverted WHERE target = ?1 AND person = ?2",
        [SQL_REVERTED_LIST] =
                "SELECT person, action, basis, account FROM reverted WHERE target = ?1 ORDER BY person",

        [SQL_CALL_RECORD] = "INSERT INTO call (key, token, wall) VALUES (?1, ?2, ?3)",
        [SQL_CALLS_SINCE] =
                "SELECT wall FROM call WHERE key = ?1 AND token = ?2 AND wall >= ?3 ORDER BY wall",
        [SQL_CALLS_PRUNE] = "DELETE FROM call WHERE wall < ?1",
        [SQL_PARK_SET] =
                "INSERT INTO park (scope, until, tries, reason, detail) VALUES (?1, ?2, ?3, ?4, ?5) ON"
                " CONFLICT (scope) DO UPDATE SET until = excluded.until, tries = excluded.tries, reason ="
                " excluded.reason, detail = excluded.detail",
        [SQL_PARK_DELETE] = "DELETE FROM park WHERE scope = ?1",
        [SQL_PARK_GET] = "SELECT until, tries, reason, detail FROM park WHERE scope = ?1",

        [SQL_ACTION_INSERT] =
                "INSERT INTO action (target, person, kind, address, remote_id, before, after, wish,"
                " state, due, queued, cycle, approved, reverts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
                " 'waiting', 0, ?9, ?10, ?11, ?12)",
        [SQL_ACTION_INSERT_DONE] =
                "INSERT INTO action (target, person, kind, address, remote_id, before, after, wish,"
                " state, due, queued, cycle, approved, reverts, outcome, finished, finished_cycle) VALUES"
                " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'done', 0, ?9, ?10, ?11, ?12, 'ok', ?9,"
                " max(?10, " LAST_CYCLE "))",
        [SQL_ACTION_REJECTED] =
                "INSERT INTO action (target, person, kind, address, remote_id, before, after, wish,"
                " state, due, queued, cycle, approved, stands, detail, finished, finished_cycle) VALUES (?1,"
                " ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'dropped', 0, ?9, ?10, 1, 1, ?11, ?9, ?10)",
        [SQL_ACTION_UNFINISHED] =
                "SELECT id, state, kind, step, wish FROM action WHERE target = ?1 AND person = ?2 AND"
                " finished IS NULL",
        [SQL_ACTION_SUPPRESSED] =
                "SELECT id FROM action WHERE target = ?1 AND person = ?2 AND stands = 1 AND wish = ?3",
        [SQL_ACTION_LIFT] =
                "UPDATE action SET stands = 0 WHERE target = ?1 AND person = ?2 AND stands = 1 AND kind"
                " <> 'reset'",
        [SQL_ACTION_LIFT_ONE] = "UPDATE action SET stands = 0 WHERE id = ?1",
        [SQL_ACTION_END] =
                "UPDATE action SET state = ?2, detail = ?3, finished = ?4, finished_cycle = " THIS_CYCLE ""
                " WHERE id = ?1",
        [SQL_ACTION_RUNNING] =
                "UPDATE action SET state = 'running', step = ?2, begun = coalesce(begun, ?3) WHERE id ="
                " ?1",
        [SQL_ACTION_MEMO] = "UPDATE action SET memo = ?2 WHERE id = ?1 AND finished IS NULL",
        [SQL_ACTION_CHANGE] =
                "UPDATE action SET state = ?2, step = ?3, was_uncertain = ?4, attempts = ?5, due = ?6,"
                " outcome = ?7, detail = ?8, http_status = ?9, remote_id = coalesce(?10, remote_id),"
                " stands = ?11, finished = CASE WHEN ?2 IN (" UNFINISHED ") THEN NULL ELSE ?12 END,"
                " finished_cycle = CASE WHEN ?2 IN (" UNFINISHED ") THEN NULL ELSE " THIS_CYCLE " END"
                " WHERE id = ?1",
        [SQL_ACTION_GET] = "SELECT " ACTION_COLUMNS " FROM action WHERE id = ?1",
        [SQL_ACTION_DUE] =
                "SELECT " ACTION_COLUMNS " FROM action WHERE target = ?1 AND finished IS NULL AND state"
                " <> 'running' AND (due <= ?2 OR due > ?2 + ?5) AND (kind = 'reset') = ?4 ORDER BY rank,"
                " urged DESC, id LIMIT ?3",
        [SQL_ACTION_NEXT_DUE] =
                "SELECT min(due) FROM action WHERE target = ?1 AND finished IS NULL AND state = 'waiting'"
                " AND (?2 OR step > 0 OR kind NOT IN ('recreate', 'disable', 'delete')) UNION ALL SELECT"
                " min(due) FROM action WHERE target = ?1 AND finished IS NULL AND state = 'uncertain'",
        [SQL_ACTION_ANY] =
                "SELECT 1 FROM action WHERE target = ?1 AND finished IS NULL UNION ALL SELECT 1 FROM action"
                " WHERE target = ?1 AND stands = 1 LIMIT 1",
        [SQL_ACTION_WAITING] =
                "SELECT id, wish FROM action WHERE target = ?1 AND finished IS NULL AND state = 'waiting'"
                " AND kind <> 'reset' AND NOT (kind = 'recreate' AND step > 0) AND reverts = 0",
        [SQL_ACTION_STANDING] =
                "SELECT id, wish FROM action WHERE target = ?1 AND stands = 1 AND kind <> 'reset' AND NOT"
                " (kind = 'recreate' AND step > 0) AND reverts = 0",
        [SQL_ACTION_LIST] =
                "SELECT id FROM action WHERE target = ?1 AND finished IS NULL UNION SELECT id FROM action"
                " WHERE target = ?1 AND stands = 1 UNION SELECT id FROM action WHERE target = ?1 AND"
                " finished_cycle >= ?2 ORDER BY id",
        [SQL_ACTION_REMOVALS] =
                "SELECT id FROM action WHERE target = ?1 AND finished IS NULL AND kind IN (" REMOVALS ")"
                " UNION SELECT id FROM action WHERE target = ?1 AND stands = 1 AND kind IN (" REMOVALS ")"
                " ORDER BY id",
        [SQL_ACTION_COUNTS] =
                "SELECT state, count(*) FROM action WHERE finished IS NULL AND (?1 IS NULL OR target ="
                " ?1) GROUP BY state UNION ALL SELECT 'dead', count(*) FROM action WHERE stands = 1 AND"
                " state = 'dead' AND (?1 IS NULL OR target = ?1)",
        [SQL_ACTION_LOAD] =
                "SELECT kind, count(*), max(due) FROM action WHERE target = ?1 AND finished IS NULL GROUP BY"
                " kind",
        [SQL_ACTION_OF_CYCLE] =
                "SELECT id FROM action WHERE cycle = ?1 AND state = 'done' ORDER BY target, id",
        [SQL_ACTION_LATER] =
                "SELECT id FROM action WHERE target = ?1 AND person = ?2 AND id > ?3 AND id <> ?4 AND kind"
                " <> 'reset' AND (finished IS NULL OR begun IS NOT NULL OR state = 'done') ORDER BY id"
                " LIMIT 1",
        [SQL_ACTION_HISTORY] =
                "SELECT id FROM action WHERE finished IS NOT NULL ORDER BY finished DESC, id DESC LIMIT ?1",
        [SQL_ACTION_OF_PERSON] = "SELECT id FROM action WHERE person = ?1 ORDER BY id DESC LIMIT ?2",
        [SQL_ACTION_POSITION] =
                "SELECT count(*) FROM action, (SELECT target AS t, rank AS r, urged AS u, id AS i FROM"
                " action WHERE id = ?1) WHERE target = t AND finished IS NULL AND (rank < r OR (rank = r"
                " AND (urged > u OR (urged = u AND id <= i))))",
        [SQL_ACTION_URGE] =
                "UPDATE action SET urged = 1, due = min(due, ?2) WHERE id = ?1 AND finished IS NULL",
        [SQL_PERSON_KNOWN] =
                "SELECT person, address FROM (SELECT person, address, since AS wall FROM link UNION ALL"
                " SELECT person, address, queued FROM action) WHERE person = ?1 OR lower(address) ="
                " lower(?1) ORDER BY wall DESC LIMIT 1",
        [SQL_ACTION_COUNTED] =
                "SELECT kind, count(*) FROM action WHERE target = ?1 AND queued >= ?2 AND approved = 0"
                " AND NOT (state = 'superseded' AND begun IS NULL) GROUP BY kind",
        [SQL_ACTION_ENDED] =
                "SELECT count(*), count(*) FILTER (WHERE state = 'dead') FROM (SELECT state FROM action"
                " WHERE target = ?1 AND finished > ?2 AND state IN ('done', 'dead') AND kind <> 'adopt'"
                " AND kind <> 'relink' ORDER BY finished DESC LIMIT ?3)",
        [SQL_HISTORY_PRUNE] =
                "DELETE FROM action WHERE finished < ?1 AND queued < ?1 AND stands = 0 AND NOT EXISTS"
                " (SELECT 1 FROM held WHERE held.target = action.target AND slot = 'plan' AND queued >="
                " since - ?2)",

        [SQL_OPEN_RUNNING] =
                "UPDATE action SET state = 'uncertain', was_uncertain = 1 WHERE finished IS NULL AND"
                " state = 'running' AND (?1 IS NULL OR target = ?1 AND (kind = 'reset') = ?2)",
        [SQL_RESTORED_HELD] = "DELETE FROM held",
        [SQL_RESTORED_APPROVALS] = "DELETE FROM meta WHERE key GLOB 'approval:*'",
        [SQL_RESTORED_DROP] =
                "UPDATE action SET state = 'dropped', detail = ?1, finished = max(queued, coalesce(begun,"
                " 0)), finished_cycle = cycle WHERE finished IS NULL AND (kind = 'reset' OR (state ="
                " 'waiting' AND step = 0 AND begun IS NULL))",
        [SQL_RESTORED_LOOK] =
                "UPDATE action SET state = 'uncertain', was_uncertain = 1 WHERE finished IS NULL",
};
