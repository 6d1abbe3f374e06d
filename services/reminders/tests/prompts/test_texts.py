"""Prompts: every language has every text, and says dates and hours as people do."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reminders.prompts import lint
from reminders.prompts.catalogue import Catalogue, NoLanguage, PromptFaults, catalogue, faults
from reminders.prompts.texts import shipped
from reminders.usecases.outside import Spoken

RIGA = ZoneInfo("Europe/Riga")
LANGUAGES = ["lv", "ru", "it", "es", "en"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=RIGA)


def visit(text: str = "2026-11-23T14:30", organisation: str = "Rīgas Logi") -> Spoken:
    return Spoken(organisation, at(text), "+37167000000")


def test_shipped_texts_have_no_faults() -> None:
    assert faults() == []
    assert sorted(catalogue().languages) == sorted(LANGUAGES)


@pytest.mark.parametrize(
    ("language", "start", "date", "time"),
    [
        (
            "lv",
            "2026-11-23T14:30",
            "pirmdien, divdesmit trešajā novembrī",
            "pulksten četrpadsmitos un trīsdesmit minūtēs",
        ),
        ("lv", "2027-05-02T09:00", "svētdien, otrajā maijā", "pulksten deviņos"),
        (
            "lv",
            "2027-08-31T21:01",
            "otrdien, trīsdesmit pirmajā augustā",
            "pulksten divdesmit vienos un vienā minūtē",
        ),
        (
            "ru",
            "2026-11-23T14:30",
            "в понедельник, двадцать третьего ноября",
            "в четырнадцать часов тридцать минут",
        ),
        ("ru", "2027-05-04T21:21", "во вторник, четвёртого мая", "в двадцать один час двадцать одну минуту"),
        ("ru", "2027-06-02T02:02", "в среду, второго июня", "в два часа две минуты"),
        ("ru", "2027-06-03T11:11", "в четверг, третьего июня", "в одиннадцать часов одиннадцать минут"),
        ("it", "2026-11-23T14:30", "lunedì ventitré novembre", "alle ore quattordici e trenta"),
        ("it", "2027-05-01T13:01", "sabato primo maggio", "alle ore tredici e un minuto"),
        ("it", "2027-05-28T21:08", "venerdì ventotto maggio", "alle ore ventuno e otto"),
        (
            "es",
            "2026-11-23T14:30",
            "el lunes veintitrés de noviembre",
            "a las catorce horas y treinta minutos",
        ),
        ("es", "2027-05-01T21:21", "el sábado uno de mayo", "a las veintiuna horas y veintiún minutos"),
        ("es", "2027-05-01T13:31", "el sábado uno de mayo", "a las trece horas y treinta y un minutos"),
        (
            "en",
            "2026-11-23T14:30",
            "on Monday the twenty-third of November",
            "at two thirty in the afternoon",
        ),
        ("en", "2027-05-01T09:05", "on Saturday the first of May", "at nine oh five in the morning"),
        ("en", "2027-05-01T12:00", "on Saturday the first of May", "at noon"),
    ],
)
def test_dates_and_hours_are_said_rightly(language: str, start: str, date: str, time: str) -> None:
    prompt = catalogue().spoken(language, visit(start)).prompt
    assert f"{date}, {time}." in prompt


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_minute_and_day_has_its_own_words_without_figures(language: str) -> None:
    said: set[str] = set()
    moment = at("2028-01-01T00:00")  # a leap year
    calendar = catalogue()._of(language).calendar
    for _ in range(1440):
        said.add(calendar.spoken_time(moment))
        moment += timedelta(minutes=1)
    dates = {calendar.spoken_date(at("2028-01-01T12:00") + timedelta(days=day)) for day in range(366)}
    assert len(said) == 1440
    assert len(dates) == 366
    assert not any(letter.isdigit() or letter in "{}" for words in said | dates for letter in words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_keys_are_explained_after_the_reminder(language: str) -> None:
    spoken = catalogue().spoken(language, visit())
    assert spoken.prompt.endswith(spoken.menu)
    assert set(spoken.thanks) == {"1", "2"}
    assert len({spoken.menu, *spoken.thanks.values()}) == 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_key_that_stops_calls_is_explained_last_where_it_is_on(language: str) -> None:
    without = catalogue().spoken(language, visit())
    spoken = catalogue().spoken(language, replace(visit(), opt_out=True))
    nine = {"lv": "deviņi", "ru": "девять", "it": "nove", "es": "nueve", "en": "nine"}[language]
    assert spoken.prompt.endswith(spoken.menu)
    assert spoken.menu.startswith(f"{without.menu} ")
    assert (nine in spoken.menu, nine in without.menu) == (True, False)
    assert set(spoken.thanks) == {"1", "2", "9"}
    assert len({spoken.menu, *spoken.thanks.values()}) == 4


@pytest.mark.parametrize(
    ("language", "sms"),
    [
        ("lv", "L: atgādinām par tikšanos pirmdien, 23. novembrī plkst. 14:30. Jautājumi: +37167000000"),
        ("ru", "L: напоминаем о встрече в понедельник, 23 ноября в 14:30. Вопросы: +37167000000"),
        (
            "it",
            "L: le ricordiamo l'appuntamento di lunedì 23 novembre alle ore 14:30. "
            "Informazioni: +37167000000",
        ),
        ("es", "L: le recordamos su cita: el lunes 23 de noviembre a las 14:30. Consultas: +37167000000"),
        (
            "en",
            "L: we remind you of your appointment: on Monday 23 November, 14:30. Questions: +37167000000",
        ),
    ],
)
def test_text_messages(language: str, sms: str) -> None:
    assert catalogue().sms(language, visit(organisation="L")) == sms


@pytest.mark.parametrize("language", LANGUAGES)
def test_letters_are_filled_in(language: str) -> None:
    texts = catalogue()
    letters = [
        texts.email(language, visit()),
        texts.limit_letter(language, "Rīgas Logi", 50, at("2026-11-23T00:00")),
        texts.wrong_number_letter(language, "apt_1", at("2026-11-23T14:30")),
    ]
    assert all("{" not in letter.subject + letter.body and "\n" not in letter.subject for letter in letters)
    assert "14:30" in letters[0].subject
    assert "50" in letters[1].subject
    assert "apt_1" in letters[2].subject


def test_a_name_can_not_break_out_of_its_place() -> None:
    wild = visit(organisation="Logi\r\nBcc: all@example.org\x00 {phone} [[h@lloU]] " + "x" * 300)
    texts = catalogue()
    for text in (texts.spoken("lv", wild).prompt, texts.sms("en", wild), texts.email("en", wild).subject):
        assert "\r" not in text
        assert "\n" not in text
        assert "\x00" not in text
        assert "[[" not in text
    assert "{phone}" in texts.sms("en", wild)  # taken as a name, not filled in
    assert "x" * 101 not in texts.spoken("en", wild).prompt


def test_the_wanted_language_is_taken_where_it_is_offered() -> None:
    chosen = catalogue().choose("RU-lv", ["lv", "ru"])
    assert (chosen.language, chosen.fallback) == ("ru", False)


def test_a_fallback_says_so() -> None:
    chosen = catalogue().choose("de", ["lv", "ru"])
    assert (chosen.language, chosen.wanted, chosen.fallback) == ("lv", "de", True)
    offered = catalogue().choose("it", ["lv"])
    assert (offered.language, offered.fallback) == ("lv", True)
    assert not catalogue().choose("", ["lv"]).fallback


def test_no_language_is_an_error_and_not_silence() -> None:
    with pytest.raises(NoLanguage, match="de"):
        catalogue().choose("lv", ["de"])
    with pytest.raises(NoLanguage):
        catalogue().choose("lv", [])
    with pytest.raises(NoLanguage, match="de"):
        catalogue().spoken("de", visit())


def broken(change: Any) -> list[str]:
    data = shipped()["en"]
    change(data)
    return lint.faults("en", data)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda data: data["voice"].pop("menu"), "en: [voice] menu is missing"),
        (lambda data: data["voice"].update(menu="  "), "en: [voice] menu is missing"),
        (lambda data: data["message"].pop("sms"), "en: [message] sms is missing"),
        (
            lambda data: data["voice"].update(jingle="Hi"),
            "en: [voice] jingle is not a text that anything uses",
        ),
        (
            lambda data: data["voice"].update(prompt="{organisation} {date}"),
            "en: [voice] prompt lacks {time}",
        ),
        (lambda data: data["voice"].update(menu="Press {key}"), "en: [voice] menu has the unknown {key}"),
        (
            lambda data: data["voice"].update(menu="Press 1"),
            "en: [voice] menu has figures, which a voice would not decline",
        ),
        (
            lambda data: data["voice"].update(menu="Press {"),
            "en: [voice] menu: Single '{' encountered in format string",
        ),
        (
            lambda data: data["voice"].update(menu="A Special  offer!"),
            "en: [voice] menu advertises: special offer",
        ),
        (
            lambda data: data["message"].update(limit_subject="{limit} discounts"),
            "en: [message] limit_subject advertises: discount",
        ),
        (lambda data: data["calendar"]["days"].pop(), "en: [calendar] days has not 31 different entries"),
        (
            lambda data: data["calendar"]["minutes"].__setitem__(7, " oh six"),
            "en: [calendar] minutes has not 60 different entries",
        ),
        (
            lambda data: data["calendar"]["hours"].__setitem__(7, "at seven"),
            "en: [calendar] hours[7] lacks {minute}",
        ),
        (lambda data: data["calendar"].update(date="{day} {month}"), "en: [calendar] date lacks {weekday}"),
        (lambda data: data["lint"].pop("advertising"), "en: [lint] advertising names no word"),
        (lambda data: data.pop("calendar"), "en: there is no [calendar]"),
        (lambda data: data.update(language="fr"), "en: the file calls its language 'fr'"),
    ],
)
def test_lint_finds(change: Any, fault: str) -> None:
    assert fault in broken(change)


def test_a_catalogue_with_a_fault_is_not_made() -> None:
    data = shipped()["lv"]
    del data["voice"]["thanks_2"]
    with pytest.raises(PromptFaults, match="thanks_2 is missing"):
        Catalogue({"lv": data})
    with pytest.raises(PromptFaults, match="no texts"):
        Catalogue({})


def test_advertising_is_found_at_the_start_of_words_only() -> None:
    texts = catalogue()
    assert texts.advertising_words("en", "Wholesale Windows") == []
    assert texts.advertising_words("en", "Window SALE - only today!") == ["only today", "sale"]
    assert texts.advertising_words("ru", "Окна со скидкой") == ["скидк"]
