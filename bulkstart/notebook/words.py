"""Every text of the panel in its languages, said once. What the portal, the sheet and the program say stays as they say it."""

from __future__ import annotations

from bulkstart.errors import UsageError

LANGUAGES = ("en", "ru")

TEXTS: dict[str, tuple[str, str]] = {
    # ---------------------------------------------------------------------------------------------------- headings
    "title": ("bulkstart: workflows for every row of a sheet", "bulkstart: бизнес-процессы для каждой строки таблицы"),
    "sheet": ("Sheet", "Таблица"),
    "portal": ("Portal", "Портал"),
    "template": ("Template", "Шаблон"),
    "columns": ("Columns", "Столбцы"),
    "checks": ("Checks", "Проверка"),
    "forecast": ("Forecast", "Прогноз"),
    "pilot": ("Pilot and start", "Проба и запуск"),
    "run": ("Run", "Ход запуска"),
    "results": ("Results", "Результаты"),
    "doubts": ("Doubts", "Сомнения"),
    # ------------------------------------------------------------------------------------------------------- sheet
    "upload": ("Upload", "Загрузить"),
    "upload_hint": (
        (
            "An upload may have up to 10 MB (8 MB for sure). A larger file never arrives, and Jupyter does not say so: if the button"
            " counts a file and nothing appears below, put the file beside the notebook and type its path here."
        ),
        (
            "Загрузить можно файл до 10 МБ (наверняка до 8 МБ). Файл больше не дойдёт, и Jupyter об этом не скажет: если на кнопке"
            " появился счётчик, а ниже ничего нет, положите файл рядом с блокнотом и впишите путь к нему."
        ),
    ),
    "path": ("Path", "Путь"),
    "path_hint": ("deals.xlsx, contacts.csv …", "сделки.xlsx, контакты.csv …"),
    "read": ("Read", "Прочитать"),
    "tab": ("Tab", "Лист"),
    "header_row": ("Header row", "Строка заголовков"),
    "found_itself": ("found by itself", "находится сама"),
    "preview": ("The first rows", "Первые строки"),
    "of_frame": ("a frame of {rows:,} rows", "таблица из {rows:,} строк"),
    "past": ("Or a past run", "Или прежний запуск"),
    "no_past": ("choose …", "выбрать …"),
    "attach": ("Show", "Показать"),
    "live": ("running", "идёт"),
    # ------------------------------------------------------------------------------------------------------ portal
    "sandbox": ("Sandbox: practise, nothing real happens", "Песочница: упражнение, ничего настоящего"),
    "sandbox_on": (
        "SANDBOX: a practice portal on this machine. Nothing starts on a real portal.",
        "ПЕСОЧНИЦА: учебный портал на этом компьютере. На настоящем портале ничего не запускается.",
    ),
    "real_portal": ("REAL PORTAL: {portal}", "НАСТОЯЩИЙ ПОРТАЛ: {portal}"),
    "connect": ("Connect", "Подключиться"),
    "not_connected": ("Not connected yet.", "Ещё не подключено."),
    "templates_found": ("{count} templates", "Шаблонов: {count}"),
    # ---------------------------------------------------------------------------------------------------- template
    "entity_type": ("Entity type", "Тип сущности"),
    "all_types": ("all", "все"),
    "template_id": ("Template", "Шаблон"),
    "as_sheet": ("as the sheet says", "как в таблице"),
    "parameters": ("Its parameters", "Его параметры"),
    "no_parameters": ("It has no parameters.", "У него нет параметров."),
    "unknown_parameters": (
        "The portal does not tell its parameters: only columns and constants that you name are sent.",
        "Портал не сообщает его параметры: отправляется только то, что вы назовёте сами.",
    ),
    "parameter": ("parameter", "параметр"),
    "label": ("label", "название"),
    "type": ("type", "тип"),
    "required": ("required", "обязателен"),
    "options": ("choices", "варианты"),
    "yes": ("yes", "да"),
    # ----------------------------------------------------------------------------------------------------- columns
    "constant": ("or the same for all rows", "или одно для всех строк"),
    "as_found": ("as found: {column}", "как найдено: {column}"),
    "nothing": ("nothing", "ничего"),
    "header known": ("header known", "известный заголовок"),
    "header says param:": ("header says param:", "в заголовке param:"),
    "header is a parameter's name or label": (
        "header is a parameter's name or label",
        "заголовок совпадает с именем или названием параметра",
    ),
    "chosen_here": ("chosen here", "выбрано здесь"),
    "as_before": ("as confirmed before for these headers", "как подтверждено раньше для этих заголовков"),
    "same_value": ("the same value for every row", "одно значение для всех строк"),
    "could_be": ("could be {columns}: choose", "может быть {columns}: выберите"),
    "missing": ("required: choose a column or type a value", "обязателен: выберите столбец или впишите значение"),
    "ignored": ("Kept and not sent: {columns}", "Остаются в таблице и не отправляются: {columns}"),
    # ------------------------------------------------------------------------------------------------------ checks
    "check_again": ("Check again", "Проверить снова"),
    "good_rows": ("Good rows: {good:,} of {rows:,}", "Годных строк: {good:,} из {rows:,}"),
    "problems": ("Problems: {count:,}", "Проблем: {count:,}"),
    "no_problems": ("No problems.", "Проблем нет."),
    "skip_invalid": ("Start the good rows although others have problems", "Запустить годные строки, хотя у других есть проблемы"),
    "cell": ("cell", "ячейка"),
    "code": ("code", "код"),
    "message": ("message", "сообщение"),
    "whole_sheet": ("sheet", "таблица"),
    # --------------------------------------------------------------------------------------------------- listings
    "any": ("any", "любые"),
    "search": ("search", "поиск"),
    "shown": ("{first:,} to {last:,} of {count:,}", "{first:,}–{last:,} из {count:,}"),
    "none_shown": ("none", "нет"),
    "back": ("Back", "Назад"),
    "forth": ("Next", "Дальше"),
    # ------------------------------------------------------------------------------------------------------- start
    "pilot_rows": ("First rows alone", "Сначала строк"),
    "pilot_hint": (
        "They go first, then you are asked. 0: all at once.",
        "Они пойдут первыми, потом спросим. 0: сразу все.",
    ),
    "start_all": ("Start {count:,} workflows on {portal}", "Запустить процессы ({count:,}) на {portal}"),
    "start_pilot": (
        "Start the first {pilot:,} of {count:,} workflows on {portal}",
        "Запустить первые {pilot:,} из {count:,} процессов на {portal}",
    ),
    "nothing_to_start": ("There is nothing to start.", "Запускать нечего."),
    "mend_first": (
        "Mend the problems above, or tick that the good rows start all the same.",
        "Исправьте проблемы выше или отметьте, что годные строки запускаются всё равно.",
    ),
    "no_way_back": ("A start cannot be taken back.", "Запуск нельзя отменить."),
    "go_on_rest": ("Start the other {count:,} workflows on {portal}", "Запустить остальные процессы ({count:,}) на {portal}"),
    "end_here": ("Stop here", "Остановиться"),
    # --------------------------------------------------------------------------------------------------------- run
    "run_id": ("run {run}", "запуск {run}"),
    "state_preparing": ("beginning", "начинается"),
    "state_running": ("running", "идёт"),
    "state_paused": ("paused", "пауза"),
    "state_stopping": ("stopping: those on the wire finish", "останавливается: отправленные доходят"),
    "state_asking": ("waiting for your answer", "ждёт вашего ответа"),
    "state_ended": ("ended", "завершён"),
    "state_lost": (
        "ended without a word: rows that were on the wire are in doubt",
        "прервался: отправленные строки под сомнением",
    ),
    "rate": ("{rate:.1f} a second", "{rate:.1f} в секунду"),
    "held": ("held for {seconds:.0f} s: {why}", "ожидание {seconds:.0f} с: {why}"),
    "left": ("{time} left", "осталось {time}"),
    "pause": ("Pause", "Пауза"),
    "go_on": ("Go on", "Продолжить"),
    "stop": ("Stop", "Стоп"),
    "resume": ("Start the remaining {count:,} workflows on {portal}", "Запустить оставшиеся процессы ({count:,}) на {portal}"),
    "another_portal": (
        "This run went to {portal}: connect to that portal above to go on with it.",
        "Этот запуск был на {portal}: подключитесь к нему выше, чтобы продолжить.",
    ),
    # ----------------------------------------------------------------------------------------------------- results
    "row": ("row", "строка"),
    "entity": ("entity", "сущность"),
    "status": ("status", "статус"),
    "workflow": ("workflow", "процесс"),
    "advice": ("what to do", "что делать"),
    "durations": ("A start took {seconds} seconds.", "Запуск занимал {seconds} секунд."),
    "workbook": ("Workbook", "Книга Excel"),
    "csv": ("CSV", "CSV"),
    "failed": ("Failed rows", "Неудачные строки"),
    "download": ("Download {name}", "Скачать {name}"),
    "link_goes": ("The link goes away again by itself.", "Ссылка скоро исчезнет сама."),
    "too_large": ("Too large for a link; written to {path}", "Слишком велик для ссылки; записан в {path}"),
    "no_failed": ("There are no failed rows.", "Неудачных строк нет."),
    # ------------------------------------------------------------------------------------------------------ doubts
    "no_doubts": ("No row is in doubt.", "Сомнительных строк нет."),
    "doubts_found": (
        "Rows in doubt: {count:,}. They may have started; they are never sent again by themselves.",
        "Строк под сомнением: {count:,}. Они могли запуститься; сами они снова не отправляются.",
    ),
    "reconcile": (
        "Look {count:,} rows up on {portal} (waits up to {seconds:.0f} s)",
        "Сверить строки ({count:,}) с {portal} (до {seconds:.0f} с)",
    ),
    # ------------------------------------------------------------------------------------------------------- else
    "as_code": ("The same as code", "То же самое кодом"),
    "working": ("working …", "выполняется …"),
    "waits": ("Waits for the step above.", "Ждёт шага выше."),
    "our_fault": ("a fault of ours: {what}", "ошибка программы: {what}"),
    # ---------------------------------------------------------------------------------------------------- statuses
    "started": ("started", "запущен"),
    "already_started": ("started before", "запущен раньше"),
    "planned": ("planned", "запланирован"),
    "invalid": ("invalid", "ошибка в данных"),
    "duplicate": ("duplicate", "повтор"),
    "refused": ("refused", "отказ"),
    "gave_up": ("given up", "не отправлен"),
    "in_doubt": ("in doubt", "под сомнением"),
    "not_attempted": ("not attempted", "не начат"),
}


class Words:
    """The texts of one language. Raises ``UsageError`` for a language that is none."""

    def __init__(self, language: str = "en") -> None:
        if language not in LANGUAGES:
            raise UsageError(f"language must be {' or '.join(LANGUAGES)}, not {language!r}")
        self.language, self._place = language, LANGUAGES.index(language)

    def __call__(self, name: str, /, **given: object) -> str:
        """The text of this name with what was given filled in."""
        return TEXTS[name][self._place].format(**given)

    def known(self, name: str) -> str:
        """The text of a name that may be none of ours: a status, a heading, a reason; else the name as it is."""
        return self(name) if name in TEXTS else name
