CREATE TABLE jobs (
	id TEXT NOT NULL, 
	session TEXT NOT NULL, 
	stages TEXT NOT NULL, 
	state TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	progress TEXT NOT NULL, 
	error TEXT NOT NULL, 
	created_wall_ns BIGINT NOT NULL, 
	changed_wall_ns BIGINT NOT NULL, 
	claimed_pid INTEGER, 
	claimed_start TEXT, 
	claimed_boot TEXT, 
	PRIMARY KEY (id)
);
CREATE INDEX jobs_state ON jobs (state, priority);
INSERT INTO jobs (id, session, stages, state, priority, progress, error, created_wall_ns, changed_wall_ns, claimed_pid, claimed_start, claimed_boot) VALUES ('0twwgafyg9vg7', '01jxt21q00r5tjch4j5ww5htez', '["summary"]', 'done', 0, '{}', '', 1750000000000000000, 1750000000000000000, 31392, '4599323', 'fake-boot');
INSERT INTO jobs (id, session, stages, state, priority, progress, error, created_wall_ns, changed_wall_ns, claimed_pid, claimed_start, claimed_boot) VALUES ('2rqm0kv479cc3', '01jxt21q00r5tjch4j5ww5htez', '["ocr"]', 'queued', 3, '{}', '', 1750000000000000000, 1750000000000000000, NULL, NULL, NULL);
INSERT INTO jobs (id, session, stages, state, priority, progress, error, created_wall_ns, changed_wall_ns, claimed_pid, claimed_start, claimed_boot) VALUES ('75fnjaajhwc5d', '01jxt21q00r5tjch4j5ww5htez', '["tiles"]', 'running', 2, '{"done": 1, "total": 3}', '', 1750000000000000000, 1750000000000000000, 31392, '4599323', 'fake-boot');
INSERT INTO jobs (id, session, stages, state, priority, progress, error, created_wall_ns, changed_wall_ns, claimed_pid, claimed_start, claimed_boot) VALUES ('je94mfz78q1gc', '01jxt21q00r5tjch4j5ww5htez', '["chapters"]', 'failed', 1, '{}', 'it failed', 1750000000000000000, 1750000000000000000, 31392, '4599323', 'fake-boot');
PRAGMA user_version = 1;
