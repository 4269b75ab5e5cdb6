CREATE TABLE spends (
	id INTEGER NOT NULL, 
	session TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	cost_nanos BIGINT NOT NULL, 
	wall_ns BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX spends_cost ON spends (session, cost_nanos);
CREATE TRIGGER spends_no_update BEFORE UPDATE ON spends BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER spends_no_delete BEFORE DELETE ON spends BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
INSERT INTO spends (id, session, stage, key, cost_nanos, wall_ns) VALUES (1, '01jxt21q00g5e5hrya9feq20t8', 'summary', 'key 0', 1099511627776, 1750000000000000000);
INSERT INTO spends (id, session, stage, key, cost_nanos, wall_ns) VALUES (2, '01jxt21q00g5e5hrya9feq20t8', 'summary', 'key 1', 1099511627777, 1750000001000000000);
INSERT INTO spends (id, session, stage, key, cost_nanos, wall_ns) VALUES (3, '01jxt21q00g5e5hrya9feq20t8', 'summary', 'key 2', 1099511627778, 1750000002000000000);
INSERT INTO spends (id, session, stage, key, cost_nanos, wall_ns) VALUES (4, '01jxt21q00g5e5hrya9feq20t8', 'summary', 'key 3', 1099511627779, 1750000003000000000);
INSERT INTO spends (id, session, stage, key, cost_nanos, wall_ns) VALUES (5, '01jxt21q00g5e5hrya9feq20t8', 'summary', 'key 4', 1099511627780, 1750000004000000000);
PRAGMA user_version = 2;
