CREATE TABLE sessions (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	state TEXT NOT NULL, 
	started_wall_ns BIGINT NOT NULL, 
	end_ns BIGINT NOT NULL, 
	duration_ns BIGINT NOT NULL, 
	description TEXT NOT NULL, 
	category TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	summary TEXT NOT NULL, 
	bytes_on_disk BIGINT NOT NULL, 
	cost_nanos BIGINT NOT NULL, 
	enrichment_state TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	sequence BIGINT NOT NULL, 
	stamp TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX sessions_started ON sessions (started_wall_ns);
CREATE TABLE documents (
	id INTEGER NOT NULL, 
	session TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	end_ns BIGINT NOT NULL, 
	wall_ns BIGINT NOT NULL, 
	app TEXT NOT NULL, 
	text TEXT NOT NULL, 
	bigrams TEXT NOT NULL, 
	parts TEXT NOT NULL, 
	shot TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX documents_session ON documents (session);
CREATE VIRTUAL TABLE words USING fts5(text, content='documents', content_rowid='id', tokenize='unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE grams USING fts5(text, content='documents', content_rowid='id', tokenize='trigram remove_diacritics 1');
CREATE VIRTUAL TABLE pairs USING fts5(bigrams, content='documents', content_rowid='id', tokenize='unicode61');
CREATE TRIGGER documents_added AFTER INSERT ON documents BEGIN INSERT INTO words(rowid, text) VALUES (new.id, new.text); INSERT INTO grams(rowid, text) VALUES (new.id, new.text); INSERT INTO pairs(rowid, bigrams) VALUES (new.id, new.bigrams); END;
CREATE TRIGGER documents_removed AFTER DELETE ON documents BEGIN INSERT INTO words(words, rowid, text) VALUES ('delete', old.id, old.text); INSERT INTO grams(grams, rowid, text) VALUES ('delete', old.id, old.text); INSERT INTO pairs(pairs, rowid, bigrams) VALUES ('delete', old.id, old.bigrams); END;
INSERT INTO sessions (id, name, state, started_wall_ns, end_ns, duration_ns, description, category, tags, summary, bytes_on_disk, cost_nanos, enrichment_state, detail, sequence, stamp) VALUES ('01jxt21q00r5tjch4j5ww5htez', 'Alpha planning', 'completed', 1750000000000000000, 3200000000, 3200000000, 'described
in two lines, ''quoted''', '', '["work", "plan"]', '', 282754, 0, 'completed', '{"apps":[[0,3200,"XTerm"]],"gaps":[],"poster":"b3-d18b99ece6c44cec2ac4b14904a33986f6c07033a8b71c052aba5e53cfa39c22"}', 4, '[[["kck36rbnadx9f",4220206,1795442286018276607,217]],null,null]');
INSERT INTO sessions (id, name, state, started_wall_ns, end_ns, duration_ns, description, category, tags, summary, bytes_on_disk, cost_nanos, enrichment_state, detail, sequence, stamp) VALUES ('01jxt24rn0321r798gp2v46hfm', 'Beta 100% done_it', 'completed', 1750000100000000000, 3200000000, 3200000000, '', '', '["work", "Ünïcode 😀"]', '', 281501, 0, 'pending', '{"apps":[[0,3200,"XTerm"]],"gaps":[],"poster":"b3-d18b99ece6c44cec2ac4b14904a33986f6c07033a8b71c052aba5e53cfa39c22"}', 2, '[[["kck36rbnadx9f",4220241,1795442286053120160,217]],null,null]');
INSERT INTO sessions (id, name, state, started_wall_ns, end_ns, duration_ns, description, category, tags, summary, bytes_on_disk, cost_nanos, enrichment_state, detail, sequence, stamp) VALUES ('01jxt27ta09rk4x5y7ajrm3j4c', 'Died', 'interrupted', 1750000200000000000, 0, 0, '', '', '[]', '', 295, 0, 'pending', '{"apps":[],"gaps":[],"poster":null}', 1, '[[["kck36rbnadx9f",4220246,1795442286060731796,152]],888,false]');
INSERT INTO sessions (id, name, state, started_wall_ns, end_ns, duration_ns, description, category, tags, summary, bytes_on_disk, cost_nanos, enrichment_state, detail, sequence, stamp) VALUES ('01jxt2avz08h73e097hed0fqkk', '', 'deleted', 1750000300000000000, 0, 0, '', '', '[]', '', 0, 0, 'pending', '{"apps":[],"gaps":[],"poster":null}', 3, '[[["kck36rbnadx9f",4220107,1795442286097711713,217]],null,null]');
INSERT INTO sessions (id, name, state, started_wall_ns, end_ns, duration_ns, description, category, tags, summary, bytes_on_disk, cost_nanos, enrichment_state, detail, sequence, stamp) VALUES ('01jxt2dxm0zycrm9tqfn8p5tw1', '', 'interrupted', 1750000400000000000, 0, 0, 'damaged: see pepys verify', '', '[]', '', 0, 0, 'failed', '{"apps":[],"gaps":[],"poster":null}', 0, '[[["kck36rbnadx9f",4220167,1795442286145143453,7]],null,null]');
INSERT INTO documents (id, session, kind, at_ns, end_ns, wall_ns, app, text, bigrams, parts, shot) VALUES (1, '01jxt21q00r5tjch4j5ww5htez', 'title', 0, 3200000000, 1750000000000000000, '', 'Alpha planning
described
in two lines, ''quoted''
work plan', '', '', '');
INSERT INTO documents (id, session, kind, at_ns, end_ns, wall_ns, app, text, bigrams, parts, shot) VALUES (2, '01jxt21q00r5tjch4j5ww5htez', 'note', 1600000000, 1600000000, 1750000001600000000, 'XTerm', 'a note of importance', '', '', '');
INSERT INTO documents (id, session, kind, at_ns, end_ns, wall_ns, app, text, bigrams, parts, shot) VALUES (3, '01jxt21q00r5tjch4j5ww5htez', 'transcript', 1000000000, 1600000000, 1750000001000000000, 'XTerm', 'the budget', '', '[[0,1000,1300],[4,1300,1600]]', '');
INSERT INTO documents (id, session, kind, at_ns, end_ns, wall_ns, app, text, bigrams, parts, shot) VALUES (4, '01jxt21q00r5tjch4j5ww5htez', 'screen_text', 1600000000, 3200000000, 1750000001600000000, 'XTerm', 'zanzibar
北京烤鸭', '北京 京烤 烤鸭', '[[0.1,0.0,0.5,0.05],[0.1,0.1,0.5,0.05]]', 'b3-d18b99ece6c44cec2ac4b14904a33986f6c07033a8b71c052aba5e53cfa39c22');
INSERT INTO documents (id, session, kind, at_ns, end_ns, wall_ns, app, text, bigrams, parts, shot) VALUES (5, '01jxt24rn0321r798gp2v46hfm', 'title', 0, 3200000000, 1750000100000000000, '', 'Beta 100% done_it
work Ünïcode 😀', '', '', '');
INSERT INTO documents (id, session, kind, at_ns, end_ns, wall_ns, app, text, bigrams, parts, shot) VALUES (6, '01jxt24rn0321r798gp2v46hfm', 'note', 1600000000, 1600000000, 1750000101600000000, 'XTerm', 'a note of importance', '', '', '');
INSERT INTO documents (id, session, kind, at_ns, end_ns, wall_ns, app, text, bigrams, parts, shot) VALUES (7, '01jxt27ta09rk4x5y7ajrm3j4c', 'title', 0, 0, 1750000200000000000, '', 'Died', '', '', '');
PRAGMA user_version = 1;
