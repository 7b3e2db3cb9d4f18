"""What screening looks for, by language: words that must meet in one sentence. A table, nothing else.

The lines of a group are alternatives, none with a gap or nested repetition, so that searching costs the
length of the text and no more. A rule names groups of which every one must be found, in any order. Texts are
compared without case and accents (`skeleton.plain`): write é as e, ё as е, й as и.

One regular expression out of a table's lines, with what alternatives begin with written only once.

A line is one or more alternatives; `re` tries them one after the other at every place of a text, so forty
that begin alike cost forty times as much as one. Finds what the lines joined by `|` would find; which of two
that match at the same place is found may differ.
"""

import re
from collections.abc import Iterator
from functools import cache
from types import MappingProxyType


def joined(lines: str) -> str:
    """The alternatives of all lines. A beginning is what stands before the first group."""
    together: dict[str, list[str]] = {}
    for line in lines.strip().splitlines():
        for part in _parts(line):
            head, found, rest = part.partition("(")
            together.setdefault(head if found else part, []).append(found + rest)
    return "|".join(_alternative(head, rests) for head, rests in together.items())


def _alternative(head: str, rests: list[str]) -> str:
    return head + (rests[0] if len(rests) == 1 else f"(?:{'|'.join(rests)})")


def _parts(line: str) -> Iterator[str]:
    """Split at each `|` that is in no group and no class."""
    depth, in_class, start, place = 0, False, 0, 0
    while place < len(line):
        sign = line[place]
        if sign == "\\":
            place += 1
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "|" and not depth:
            yield line[start:place]
            start = place + 1
        place += 1
    yield line[start:]


_GROUPS = {
    "ignore": r"""
\b(?:ignor(?:e|ing|iere?n?|iert|ez|a|ar|ad|en)|disregard|overrid(?:e|ing)|bypass)\b
\b(?:pay no (?:attention|heed)|skip|forget|vergiss|missachte|beachte nicht|nicht beachten)\b
\b(?:ne tiens pas compte|ne tenez pas compte|oublie[zr]?|olvida|omite|no hagas caso|игнориру\w*)\b
\b(?:не обращаи\w* внимания|забудь\w*|пропусти\w*)\b
忽略|无视|忽視|無視|不要理会|忘记|忘掉|忘れ
""",
    "instructions": r"""
\b(?:instructions?|system prompt|prompts?|guidelines?|rules? (?:above|before|you)|(?:all|any) rules)\b
\b(?:checks?|verification|directions|anweisung\w*|anleitung\w*|vorgaben|regeln|consignes?|regles)\b
\b(?:instrucciones|reglas|indicaciones|инструкци\w*|указани\w*|правил\w*)\b
指令|指示|说明|规则|規則|命令|提示词|プロンプト|ルール
""",
    "earlier": r"""
\b(?:previous|prior|above|earlier|preceding|foregoing|before|all|any|your|listed|given to you)\b
\b(?:bisherig\w*|vorherig\w*|obig\w*|alle|deine|ihre|precedent\w*|ci-dessus|toutes|tes|vos)\b
\b(?:anterior\w*|previas|todas|tus|sus|предыдущ\w*|выше|все|твои|ваши|прежни\w*)\b
之前|以上|上述|先前|前面|所有|以前|上記|すべて|全て|これまで|前の
""",
    "judge": r"""
\b(?:judges?|graders?|markers?|examiners?|verifiers?|evaluators?|assessors?|reviewers?|raters?)\b
\b(?:correctors?|quality check(?:er)?)\b
\b(?:(?:whoever|anyone who|those who|the one who) (?:marks?|grades?|judges?|evaluates?))\b
\b(?:(?:whoever|anyone who|those who|the one who) (?:checks?|scores?|verif\w+|reviews?|assess\w*))\b
\b(?:pruferi?n?|prufer\w*|bewerter\w*|gutachter\w*|korrektor\w*|bewertung|correcteurs?|correctrices?)\b
\b(?:evaluateurs?|examinateurs?|jury|evaluador\w*|corrector\w*|calificador\w*|juez|revisor\w*)\b
\b(?:проверяющ\w*|судь[яеию]\w*|оценщик\w*|экзаменатор\w*|рецензент\w*)\b
评分者|评分人|评委|评审|阅卷|裁判|判卷|审核者|评判|採点者|審査員|評価者|判定者|検証者
""",
    "solver": r"""
\b(?:solvers?|the (?:model|student|assistant|one) (?:who|that|which) answers?|whoever answers)\b
\b(?:anyone who answers|test[- ]?takers?|respondents?)\b
\b(?:(?:weak|weaker|strong|stronger|small|smaller) (?:model|solver|student|assistant)s?|loser)\b
\b(?:losende\w*|schwache\w* modell|modele faible|solveur|modelo debil|решател\w*|отвечающ\w*)\b
\b(?:слаб\w+ модел\w*)\b
答题者|解题者|回答者|作答者|解答者|弱い?モデル|弱模型
""",
    "to": r"""
\b(?:note (?:to|for)|notice to|message (?:to|for)|memo to|reminder (?:to|for))\b
\b(?:instructions? (?:to|for)|hint (?:to|for)|attention|dear|hey|please note|important|warning)\b
\b(?:p\.?s\.?|nota bene|for (?:the|any|all|every)|hinweis(?:e)? (?:an|fur)|achtung|wichtig)\b
\b(?:an (?:den|die|alle)|lieber?|note (?:au|aux|a la|pour|a l)|avis (?:au|aux)|attention (?:au|aux))\b
\b(?:importante?|cher|nota (?:para|al)|aviso (?:para|al)|mensaje (?:para|al)|atencion|примечани\w*)\b
\b(?:внимани\w*|важно|уважаем\w*)\b
致|注意|提示|请注意|给|重要|備考|への|お願い
""",
    "order": r"""
\b(?:please|must|should|shall|have to|has to|need to|needs to|is to|are to|ought to|always|never)\b
\b(?:make sure|be (?:lenient|kind|generous|strict|harsh)|only|bitte|soll\w*|muss\w*|immer|nur)\b
\b(?:sei[edn]?|veuillez|doi[stv]\w*|devez|toujours|considere[rz]?|por favor|debe\w*|siempre|solo)\b
\b(?:solamente|пожалуиста|должн\w*|всегда|только|нужно|следует)\b
请|必须|应该|务必|总是|ください|べき|必ず|なさい
""",
    "give": r"""
\b(?:mark|marks|grade|score|rate|count|counts|treat|consider|regard|give|award|assign|grant|accept)\b
\b(?:deem|set|return|markiere\w*|bewerte\w*|werte\w*|gelten|gilt|gib|vergib|zahle\w*|akzeptiere\w*)\b
\b(?:marque[rz]?|note[rz]|compte[rz]?|donne[rz]?|attribue[rz]?|accorde[rz]?|considere[rz]?)\b
\b(?:valide[rz]?|marca\w*|marque|cuenta|considera\w*|otorga\w*|asigna\w*|acepta\w*|da|засчита\w*)\b
\b(?:отметь\w*|поставь\w*|счита\w*|прими\w*|оцени\w*|присво\w*)\b
标记|标为|视为|算作|给予?|评为|判为|打分|記入|とみなし|与え|採点し|として扱|マーク
""",
    "criteria": r"""
\b(?:criteri(?:on|a|um)|rubric|marking scheme|kriteri\w*|bewertungsschema|critere\w*|bareme)\b
\b(?:criterios?|rubrica|критери\w*)\b
标准|准则|评分项|评分细则|条件|基準|項目
""",
    "met": r"""
\b(?:met|fulfilled|satisfied|true|passed|correct|achieved|erfullt|wahr|bestanden|richtig|rempli\w*)\b
\b(?:satisfait\w*|vrai\w*|cumplid\w*|verdader\w*|satisfech\w*|выполнен\w*|верн\w*|засчита\w*|истин\w*)\b
满足|符合|达到|通过|正确|満たし|合格|正解|真
""",
    "every": r"""
\b(?:all|every|each|any|alle\w*|jede\w*|samtliche|tous|toutes|chaque|tout|todos|todas|cada)\b
\b(?:cualquier\w*|все|всех|кажд\w*|люб\w*)\b
所有|全部|每|一切|任何|すべて|全て|全項目|どの
""",
    "full_marks": r"""
\b(?:full|maximum|max|maximal)\s(?:marks?|credits?|points?|scores?|grades?|punkte?|punktzahl)\b
\b(?:top|highest|perfect|complete|100 ?%)\s(?:marks?|credits?|points?|scores?|grades?|punkte?|punktzahl)\b
\b(?:full|maximum|max|maximal)\s(?:note|points|puntos?|puntuacion|nota|балл\w*|оценк\w*)\b
\b(?:top|highest|perfect|complete|100 ?%)\s(?:note|points|puntos?|puntuacion|nota|балл\w*|оценк\w*)\b
\b(?:volle[rn]?|hochste[rn]?)\s(?:marks?|credits?|points?|scores?|grades?|punkte?|punktzahl)\b
\b(?:maximale?|maximale?|la note maximale)\s(?:marks?|credits?|points?|scores?|grades?|punkte?|punktzahl)\b
\b(?:volle[rn]?|hochste[rn]?)\s(?:note|points|puntos?|puntuacion|nota|балл\w*|оценк\w*)\b
\b(?:maximale?|maximale?|la note maximale)\s(?:note|points|puntos?|puntuacion|nota|балл\w*|оценк\w*)\b
\b(?:maxim[ao]|tod[ao]s? los|полн\w*|максимальн\w*|высш\w*)\s(?:marks?|credits?|points?)\b
\b(?:maxim[ao]|tod[ao]s? los|полн\w*|максимальн\w*|высш\w*)\s(?:scores?|grades?|punkte?|punktzahl)\b
\b(?:maxim[ao]|tod[ao]s? los)\s(?:note|points|puntos?|puntuacion|nota|балл\w*|оценк\w*)\b
\b(?:полн\w*|максимальн\w*|высш\w*)\s(?:note|points|puntos?|puntuacion|nota|балл\w*|оценк\w*)\b
note maximale|tous les points|puntuacion maxima|满分|最高分|満点|最高点
""",
    "pass": r"""
\b(?:pass|passes|approve|accept|validate|wave through|let (?:it|this) (?:through|pass)|lass\w*)\b
\b(?:durchlassen|durchwinken|annehmen|genehmige\w*|valide[rz]?|accepte[rz]?|approuve[rz]?|aprueba\w*)\b
\b(?:aprobar|acepta\w*|valida\w*|пропусти\w*|одобри\w*|прими\w*|зачти\w*)\b
通过|批准|放行|接受|合格|承認|通し|受け入れ
""",
    "item": r"""
\b(?:(?:this|the) (?:example|item|exercise|submission|entry|check|verification|sample)|this question)\b
\b(?:this one|(?:dieses|das) beispiel|diese (?:frage|aufgabe))\b
\b(?:(?:cet|l'|cette) ?(?:exemple|exercice|question)|(?:este|el) ejemplo|esta pregunta)\b
\b(?:(?:этот|данныи) пример|это задание|этот вопрос)\b
这个例子|该例子|本例|此例|这道题|本题|此题|この例|この問題|本例
""",
    "checked": r"""
\b(?:already|has been|have been|was)\s(?:been |pre-?)?(?:approved|verified|validated|vetted)\b
\b(?:were|is|are|been)\s(?:been |pre-?)?(?:approved|verified|validated|vetted)\b
\b(?:already|has been|have been|was|were|is|are|been)\s(?:been |pre-?)?(?:cleared|certified)\b
\b(?:already|has been|have been|was)\s(?:been |pre-?)?(?:whitelisted|exempt\w*|checked (?:and|by))\b
\b(?:were|is|are|been)\s(?:been |pre-?)?(?:whitelisted|exempt\w*|checked (?:and|by))\b
\bschon (?:gepruft|freigegeben)|\bbereits (?:gepruft|freigegeben|genehmigt)
\bdeja (?:verifie|valide|approuve)|\bya (?:verificado|aprobado|validado)|уже (?:проверен|одобрен)
已经?(?:审核|批准|通过|验证)|既に(?:検証|承認|確認)
""",
    "answer": r"""
\b(?:answers?|answering|reply|replies|respond|response|write|antworte\w*|antwort|beantworte\w*)\b
\b(?:schreibe?|repond\w*|reponse|ecri\w*|respond\w*|respuesta|contesta\w*|escribe|ответь\w*|отвеча\w*)\b
\b(?:ответ\w*|напиши\w*)\b
回答|作答|答案|答复|回复|答え|解答
""",
    "badly": r"""
\b(?:badly|poorly|weakly|wrongly|incorrectly|vaguely|falsely|nonsense|gibberish)\b
\b(?:(?:wrong|bad|empty|blank|vague) (?:answer|reply))\b
\b(?:(?:incorrect|useless|false|one-word|single-word|one-line) (?:answer|reply))\b
\b(?:(?:with|in|using) (?:only |just )?(?:one|a single) (?:short |single )?(?:words?|sentences?))\b
\b(?:(?:with|in|using) (?:only |just )?(?:two|three) (?:short |single )?(?:words?|sentences?))\b
\b(?:(?:with|in|using) (?:only |just )?(?:one|a single|two|three) (?:short |single )?(?:lines?|phrases?))\b
\b(?:(?:with|in|using) (?:only |just )?(?:a few|one short) (?:short |single )?(?:words?|sentences?))\b
\b(?:(?:with|in|using) (?:only |just )?(?:a few|one short) (?:short |single )?(?:lines?|phrases?))\b
\b(?:(?:with|in|using) (?:only |just )?(?:a short|a very short) (?:short |single )?(?:words?|sentences?))\b
\b(?:(?:with|in|using) (?:only |just )?(?:a short|a very short) (?:short |single )?(?:lines?|phrases?))\b
\b(?:nothing(?: else| at all)?|as little as possible|no details?|without details?)\b
\b(?:i do(?:n't| not) know|i dont know|['\"“]?unknown['\"”]|n/a|unsure|absichtlich|schlecht|falsch\w*)\b
\b(?:vage|leere?n? antwort|(?:mit|in) (?:nur )?(?:einem|drei|zwei|wenigen) (?:satz|wort\w*))\b
\b(?:weiss (?:es )?nicht|mal|vaguement|faussement|expres)\b
\b(?:(?:en|par) (?:un|une|deux|trois) (?:seul\w* )?(?:mots?|phrases?)|ne sais pas)\b
\b(?:reponse (?:vide|fausse|vague)|incorrecta\w*|vagamente|a proposito)\b
\b(?:(?:en|con) (?:una?|dos|tres) (?:sola )?(?:palabras?|frases?)|no lo se|no se)\b
\b(?:respuesta (?:vacia|falsa|vaga)|неправильно|неверно|плохо|намеренно|расплывчато)\b
\b(?:(?:одним|двумя|тремя) (?:слов\w*|фраз\w*)|однои фразои|не знаю|ничего не)\b
错误|故意|很差|含糊|空白|一句话|一个词|几个字|不知道|简短地?|わざと|間違|不正確|曖昧|空欄|一言|一文
わかりません|分かりません|知りません
""",
    "pretend": r"""
\b(?:pretend\w*|(?:act|behave|speak|talk) as (?:if|though|a|an)|role-?play\w*)\b
\b(?:play (?:the role|dumb)|imagine (?:you|that you)|impersonat\w*|tu so|so tun, als|stell dir vor)\b
\b(?:spiele? (?:die rolle|einen|eine)|fais semblant|faites semblant|joue[zr]? le role|imagine que tu)\b
\b(?:finge|fingir|haz como si|actua como|imagina que|притвор\w*|сделаи вид|веди себя как|представь\w*)\b
假装|扮演|装作|ふりをし|のふり|演じ
""",
    "you_are": r"""
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:weak\w*|small\w*)\b
\byou(?: must be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:weak\w*|small\w*)\b
\byou(?: will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:weak\w*|small\w*)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:bad|poor|ai)\b
\byou(?: must be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:bad|poor|ai)\b
\byou(?: will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:bad|poor|ai)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:llm)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:language)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:assistant)\b
\byou(?: must be| will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:llm)\b
\byou(?: must be| will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:language)\b
\byou(?: must be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:assistant)\b
\byou(?: will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:assistant)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:model)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:chatbot|student)\b
\byou(?: must be| will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:model)\b
\byou(?: must be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:chatbot|student)\b
\byou(?: will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:chatbot|student)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:novice|beginner)\b
\byou(?: must be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:novice|beginner)\b
\byou(?: will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:novice|beginner)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:solver)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:judge|grader)\b
\byou(?: must be| will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:solver)\b
\byou(?: must be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:judge|grader)\b
\byou(?: will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:judge|grader)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:verifier)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:examiner|lenient)\b
\byou(?: must be| will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:verifier)\b
\byou(?: must be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:examiner|lenient)\b
\byou(?: will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:examiner|lenient)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:kind)\b
\byou(?: are|'re) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:generous|strict)\b
\byou(?: must be| will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:kind)\b
\byou(?: must be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:generous|strict)\b
\byou(?: will be) (?:now |only |just )?(?:an? |the )?(?:very |rather |deliberately )?(?:generous|strict)\b
\bdu bist (?:ein|eine|der|die) (?:schwach\w*|modell|ki|schuler\w*|prufer\w*)
\btu es (?:un|une) (?:modele|ia|assistant|eleve)
\beres (?:un|una) (?:modelo|ia|asistente|estudiante|alumno)
ты (?:—|-)? ?(?:слаб\w*|модель|студент|ассистент)|你是一?个?(?:弱|模型|助手|学生|评)
あなたは(?:弱|モデル|学生|アシスタント|採点)
""",
    "fail": r"""
\b(?:underperform|sandbag\w*|hold back (?:most|what|your))\b
\bfail (?:this|the) (?:question|task|exam|test|example)
\b(?:give|produce) (?:an? |the )?(?:deliberately |intentionally )?(?:wrong|bad) (?:answer|reply|response)
\b(?:write|return) (?:an? |the )?(?:deliberately |intentionally )?(?:wrong|bad) (?:answer|reply|response)
\b(?:give|produce) (?:an? |the )?(?:deliberately |intentionally )?(?:poor|weak|empty) (?:answer)
\b(?:give|produce) (?:an? |the )?(?:deliberately |intentionally )?(?:poor|weak|empty) (?:reply|response)
\b(?:write|return) (?:an? |the )?(?:deliberately |intentionally )?(?:poor|weak|empty) (?:answer)
\b(?:write|return) (?:an? |the )?(?:deliberately |intentionally )?(?:poor|weak|empty) (?:reply|response)
\b(?:give|produce) (?:an? |the )?(?:deliberately |intentionally )?(?:blank|incorrect) (?:answer)
\b(?:give|produce) (?:an? |the )?(?:deliberately |intentionally )?(?:blank|incorrect) (?:reply|response)
\b(?:write|return) (?:an? |the )?(?:deliberately |intentionally )?(?:blank|incorrect) (?:answer)
\b(?:write|return) (?:an? |the )?(?:deliberately |intentionally )?(?:blank|incorrect) (?:reply|response)
\b(?:give|produce) (?:an? |the )?(?:deliberately |intentionally )?(?:false|vague|useless) (?:answer)
\b(?:give|produce) (?:an? |the )?(?:deliberately |intentionally )?(?:false|vague|useless) (?:reply|response)
\b(?:write|return) (?:an? |the )?(?:deliberately |intentionally )?(?:false|vague|useless) (?:answer)
\b(?:write|return) (?:an? |the )?(?:deliberately |intentionally )?(?:false|vague|useless) (?:reply|response)
\bgib (?:eine )?(?:falsche|schlechte|leere) antwort|\bdonne[rz]? une (?:mauvaise|fausse) reponse
\bda una respuesta (?:mala|falsa|incorrecta)|даи(?:те)? (?:неверныи|плохои|неправильныи) ответ
给出(?:错误|很差)的?(?:答案|回答)|(?:間違った|誤った)(?:答え|回答)を
""",
    "if": r"""
\b(?:if|unless|when|whenever|without|in case|provided that|only (?:those|readers|if|when))\b
\b(?:depending on whether|assuming|wenn|falls|sofern|ohne|es sei denn|si|sauf si|sans|lorsque|quand)\b
\b(?:sin|salvo que|a menos que|cuando|если|когда|без)\b
如果|若|假如|除非|没有|当|もし|なければ|ない場合|場合|ないなら|たら
""",
    "source": r"""
\b(?:source(?:_| )?documents?)\b
\b(?:(?:full|whole|entire) (?:paper|article|text|document|manuscript|source))\b
\b(?:(?:original|source|attached|complete) (?:paper|article|text|document|manuscript|source))\b
\b(?:(?:the|this|that|a|an|no|any) (?:source )?(?:paper|article|document|manuscript|attachment))\b
\b(?:quelldokument\w*|aufsatz\w*|das dokument|den artikel|der artikel|den text|die arbeit|l'article)\b
\b(?:le document|un document|cet article|l'original|el documento|un documento|el articulo|documento fuente)\b
\b(?:стат(?:ья|ьи|ью|ьеи|ье)|документ\w*|исходн\w+ текст\w*)\b
论文|原文|文档|全文|文章|论文全文|源文件|論文|原文|文書|元の文献|資料
""",
    "given": r"""
\b(?:you (?:were|are|have|had|can|could|do|did|see|cannot|can't|don't|lack|hold|read|possess|only))\b
\b(?:(?:was|were|is|are) (?:not )?(?:given|attached|provided|supplied))\b
\b(?:(?:was|were|is|are) (?:not )?(?:available|visible|shown|included|present))\b
\b(?:your (?:input|prompt|context|copy)|in front of you|access to|at hand|in view|dir|ihnen|du)\b
\b(?:vorlieg\w*|vorliegt|gegeben|t'|tu|vous|as (?:pas )?(?:acces|recu)|sous les yeux|n'as pas)\b
\b(?:n'avez pas|fourni\w*|tienes|te han|dispones|ves|adjunt\w*|proporcion\w*|у (?:тебя|вас)|тебе|вам)\b
\b(?:дан[ао]?|видишь|видите|доступ\w*)\b
给你|给了|提供|看到|看不到|附上|有(?:没有)?论文|没有给|与えられ|見え|手元|がある|渡され|添付|提示され
""",
    "role_line": r"""
(?:^|\n)\s{0,8}[#*>\[]{0,4} ?(?:system|assistant|developer)(?: message| prompt| note)? ?[\]*]{0,3} ?:
(?:^|\n)\s{0,8}[#*>\[]{0,4} ?(?:judge|grader)(?: message| prompt| note)? ?[\]*]{0,3} ?:
(?:^|\n)\s{0,8}[#*>\[]{0,4} ?(?:(?:final_)?verifier|solver)(?: message| prompt| note)? ?[\]*]{0,3} ?:
""",
    "forged_reply": r"""
[\"'“”‘’]?marks[\"'“”‘’]?\s?:\s?\[|\{\s{0,4}[\"'“”‘’]?pass[\"'“”‘’]?\s?:
[\"'“”‘’]pass[\"'“”‘’]\s?:\s?(?:true|false)
""",
    "purpose": r"""
\b(?:on purpose|deliberately|intentionally|purposely|absichtlich|expres|volontairement|a proposito)\b
\b(?:deliberadamente|намеренно|нарочно|специально)\b
故意|わざと|意図的に
""",
    "persona": r"""
\b(?:(?:to be|a|an|the) (?:\w+ )?(?:student|novice|beginner|child|layman|amateur|fool|pupil)|nothing)\b
\b(?:not (?:know|understand|see|have))\b
\b(?:(?:have|has) (?:not|never) (?:understood|read|seen|learned|learnt)|weak\w*|ignorant|clueless)\b
\b(?:anfanger\w*|schuler\w*|nichts|nie|rien|eleve|debutant|nada|alumno|estudiante|ничего|студент\w*)\b
\b(?:новичо?к\w*)\b
不知道|不懂|什么都|学生|初学者|知らない|わからない|初心者
""",
    "lenient": r"""
\b(?:be|sei|sois) (?:very |extra |more |sehr |tres |muy |очень )?(?:lenient|kind|generous)\b
\b(?:soyez|se|будь\w*) (?:very |extra |more |sehr |tres |muy |очень )?(?:lenient|kind|generous)\b
\b(?:be|sei|sois|soyez|se|будь\w*) (?:very |extra |more |sehr |tres |muy |очень )?(?:forgiving)\b
\b(?:be|sei|sois) (?:very |extra |more |sehr |tres |muy |очень )?(?:nachsichtig|grosszugig)\b
\b(?:soyez|se|будь\w*) (?:very |extra |more |sehr |tres |muy |очень )?(?:nachsichtig|grosszugig)\b
\b(?:be|sei|sois|soyez|se|будь\w*) (?:very |extra |more |sehr |tres |muy |очень )?(?:milde)\b
\b(?:be|sei|sois) (?:very |extra |more |sehr |tres |muy |очень )?(?:indulgent\w*|genereu\w*)\b
\b(?:soyez|se|будь\w*) (?:very |extra |more |sehr |tres |muy |очень )?(?:indulgent\w*|genereu\w*)\b
\b(?:be|sei|sois) (?:very |extra |more |sehr |tres |muy |очень )?(?:generos\w*|indulgente\w*)\b
\b(?:soyez|se|будь\w*) (?:very |extra |more |sehr |tres |muy |очень )?(?:generos\w*|indulgente\w*)\b
\b(?:be|sei|sois) (?:very |extra |more |sehr |tres |muy |очень )?(?:снисходительн\w*|щедр\w*)\b
\b(?:soyez|se|будь\w*) (?:very |extra |more |sehr |tres |muy |очень )?(?:снисходительн\w*|щедр\w*)\b
\blenient with\b|从宽|宽松|宽容|寛大|甘く
""",
}


GROUPS = MappingProxyType(_GROUPS)


@cache
def pattern(group: str) -> re.Pattern[str]:
    """Made when it is first asked for: whoever only looks at a run does without."""
    return re.compile(joined(GROUPS[group]))


HINTS = (
    "ignor",
    "disregard",
    "instruct",
    "judge",
    "grader",
    "grades",
    "mark",
    "criteri",
    "answer",
    "reply",
    "respond",
    "pretend",
    "solver",
    "verif",
    "source",
    "paper",
    "approv",
    "full",
    "pass",
    "kriteri",
    "antwort",
    "anweisung",
    "reponse",
    "consigne",
    "respuesta",
)
"""Without any of these no rule holds in ASCII: for passing over what was decoded to noise."""

RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("forged_reply", ("forged_reply",)),
    ("role_mark", ("role_line",)),
    ("asks_to_ignore", ("ignore", "instructions", "earlier")),
    ("asks_for_marks", ("criteria", "met", "give", "every")),
    ("asks_for_marks", ("full_marks", "give", "judge")),
    ("asks_for_marks", ("full_marks", "give", "every")),
    ("asks_for_marks", ("lenient",)),
    ("asks_to_pass", ("item", "pass", "order")),
    ("asks_to_pass", ("item", "pass", "judge")),
    ("asks_to_pass", ("item", "checked")),
    ("asks_to_pass", ("item", "ignore")),
    ("asks_for_failure", ("fail",)),
    ("asks_for_failure", ("pretend", "answer")),
    ("asks_for_failure", ("pretend", "persona")),
    ("asks_for_failure", ("purpose", "answer", "badly")),
    ("asks_for_failure", ("pretend", "you_are")),
    ("asks_for_failure", ("answer", "order", "badly")),
    ("asks_for_failure", ("you_are",)),
    ("asks_by_source", ("source", "if", "given", "answer")),
    ("asks_by_source", ("source", "if", "given", "order")),
    ("asks_by_source", ("source", "if", "badly")),
    ("addresses_reader", ("judge", "to", "order")),
    ("addresses_reader", ("solver", "to", "answer")),
)
"""Kind of finding, and the groups that must all be found in one sentence, the rarest first."""
