"""Who works at an imitated company: Japanese names, e-mail addresses, employee numbers. Same seed and number, same person.

Computed from a number instead of drawn from a stream, so that the millionth person costs as much as the first.
"""

from typing import NamedTuple

FAMILY_NAMES = tuple(
    line.split()
    for line in (
        "佐藤 サトウ sato",
        "鈴木 スズキ suzuki",
        "高橋 タカハシ takahashi",
        "田中 タナカ tanaka",
        "伊藤 イトウ ito",
        "渡辺 ワタナベ watanabe",
        "山本 ヤマモト yamamoto",
        "中村 ナカムラ nakamura",
        "小林 コバヤシ kobayashi",
        "加藤 カトウ kato",
        "吉田 ヨシダ yoshida",
        "山田 ヤマダ yamada",
        "佐々木 ササキ sasaki",
        "山口 ヤマグチ yamaguchi",
        "松本 マツモト matsumoto",
        "井上 イノウエ inoue",
        "木村 キムラ kimura",
        "林 ハヤシ hayashi",
        "斎藤 サイトウ saito",
        "清水 シミズ shimizu",
        "山﨑 ヤマザキ yamazaki",
        "森 モリ mori",
        "池田 イケダ ikeda",
        "橋本 ハシモト hashimoto",
        "阿部 アベ abe",
        "石川 イシカワ ishikawa",
        "小川 オガワ ogawa",
        "前田 マエダ maeda",
        "岡田 オカダ okada",
        "長谷川 ハセガワ hasegawa",
        "髙島 タカシマ takashima",
    )
)
GIVEN_NAMES = tuple(
    line.split()
    for line in (
        "太郎 タロウ taro",
        "花子 ハナコ hanako",
        "翔太 ショウタ shota",
        "美咲 ミサキ misaki",
        "健一 ケンイチ kenichi",
        "陽菜 ヒナ hina",
        "大輔 ダイスケ daisuke",
        "さくら サクラ sakura",
        "蓮 レン ren",
        "結衣 ユイ yui",
        "直樹 ナオキ naoki",
        "あかり アカリ akari",
        "拓也 タクヤ takuya",
        "優子 ユウコ yuko",
        "悠真 ユウマ yuma",
        "真由美 マユミ mayumi",
        "誠 マコト makoto",
        "恵 メグミ megumi",
        "マリア マリア maria",
        "隆 タカシ takashi",
        "千尋 チヒロ chihiro",
        "和也 カズヤ kazuya",
        "明美 アケミ akemi",
        "悟 サトル satoru",
        "由紀 ユキ yuki",
        "亮 リョウ ryo",
        "葵 アオイ aoi",
        "學 マナブ manabu",
        "凛 リン rin",
    )
)
DEPARTMENTS = (
    "営業部",
    "開発部",
    "人事部",
    "総務部",
    "経理部",
    "広報室",
    "情報システム部",
    "品質保証部",
    "物流部",
    "法務室",
)
TOPICS = (
    "全社",
    "雑談",
    "障害対応",
    "新製品",
    "採用",
    "議事録",
    "朝会",
    "顧客対応",
    "リリース",
    "勉強会",
    "予算",
    "安全衛生",
)


class Person(NamedTuple):
    """Somebody of a company, whichever systems he or she has accounts in."""

    number: int
    last_name: str
    first_name: str
    last_kana: str
    first_kana: str
    local_part: str
    """Of the e-mail address; unique within the company."""
    employee_number: str
    internal_user_id: str
    department: str


def mix(seed: int, number: int) -> int:
    """Sixty-four well-mixed bits of two numbers (the finalizer of SplitMix64): cheap, and the same everywhere."""
    value = (seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + 0x8CB92BA72F3D8DD7) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return value ^ (value >> 31)


def is_one_in(period: int, number: int, *, at: int) -> bool:
    """Whether a number is one of the few that something odd is true of."""
    return number % period == at


def person(seed: int, number: int) -> Person:
    bits = mix(seed, number)
    last, last_kana, last_latin = FAMILY_NAMES[bits % len(FAMILY_NAMES)]
    first, first_kana, first_latin = GIVEN_NAMES[(bits >> 16) % len(GIVEN_NAMES)]
    return Person(
        number=number,
        last_name=last,
        first_name=first,
        last_kana=last_kana,
        first_kana=first_kana,
        local_part=f"{first_latin}.{last_latin}{number + 1}",
        employee_number=f"{100_001 + number}",
        internal_user_id=f"INT-{number + 1:06d}",
        department=DEPARTMENTS[(bits >> 32) % len(DEPARTMENTS)],
    )


def code(seed: int, number: int, length: int = 9) -> str:
    """An id of capital letters and digits, unique for each number below 36 ** length (a factor prime to 36 permutes them)."""
    value = (number * 6364136223846793007 + mix(seed, 7)) % 36**length
    letters = []
    for _ in range(length):
        value, digit = divmod(value, 36)
        letters.append("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit])
    return "".join(letters)


def guid(seed: int, number: int) -> str:
    """A GUID, unique for practical purposes."""
    text = f"{mix(seed, number):016x}{mix(seed + 1, number):016x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
