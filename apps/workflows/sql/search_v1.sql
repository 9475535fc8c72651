-- What a search of workflows looks through: one text a workflow, which triggers keep whoever writes the tables that it comes from.

-- The text as it is compared: full-width and other compatible forms made one (NFKC), in small letters, the first 100,000 characters.
create function workflow_words_v1(p_text text) returns text language sql immutable strict parallel safe as $$
    select lower(normalize(left(p_text, 100000), NFKC))
$$;

-- All pairs of neighbouring characters and all single ones, each once; none with white space. Trigrams find nothing shorter than three.
create function workflow_grams_v1(p_text text) returns text[] language sql immutable strict parallel safe as $$
    select coalesce(array_agg(distinct g.gram), '{}')
      from (select c.letter, lead(c.letter) over (order by c.place) as following
              from string_to_table(p_text, null) with ordinality as c(letter, place)) pairs,
           lateral (values (pairs.letter), (pairs.letter || pairs.following)) as g(gram)
     where g.gram !~ '\s'
$$;

-- Bring the texts of some workflows up to date. It never inserts, so that it does no harm while a workflow is being deleted.
create function workflow_text_renew_v1(p_workflows uuid[]) returns void language sql as $$
    update workflow_text t set text = fresh.text
      from (select w.id, workflow_words_v1(concat_ws(E'\n', w.name, w.description, nodes.words)) as text
              from unnest(p_workflows) as wanted(id)
              join workflow w on w.id = wanted.id
              left join lateral (select v.definition from workflow_version v where v.workflow_id = w.id
                                  order by v.number desc limit 1) newest on true
              left join lateral (select string_agg(distinct said.word, E'\n') as words
                                   from jsonb_path_query(newest.definition, '$.nodes[*]') as node(one),
                                        lateral (values (coalesce(node.one->>'name', node.one->>'key')), (node.one->>'type')) as said(word)
                                ) nodes on true
           ) fresh
     where t.workflow_id = fresh.id and t.text is distinct from fresh.text
$$;

create function workflow_made_v1() returns trigger language plpgsql as $$
begin
    insert into workflow_text (workflow_id, text)
    select id, workflow_words_v1(concat_ws(E'\n', name, description)) from made on conflict do nothing;
    return null;
end $$;

create function workflow_described_v1() returns trigger language plpgsql as $$
begin
    perform workflow_text_renew_v1(array[new.id]);
    return null;
end $$;

create function workflow_version_made_v1() returns trigger language plpgsql as $$
begin
    perform workflow_text_renew_v1(array(select distinct workflow_id from made));
    return null;
end $$;

create trigger workflow_made after insert on workflow referencing new table as made
    for each statement execute function workflow_made_v1();

create trigger workflow_described after update on workflow for each row
    when (old.name is distinct from new.name or old.description is distinct from new.description)
    execute function workflow_described_v1();

create trigger workflow_version_made after insert on workflow_version referencing new table as made
    for each statement execute function workflow_version_made_v1();
