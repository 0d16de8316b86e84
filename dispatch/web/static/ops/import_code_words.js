// What the commonest codes of problems mean, and what mends them.

import { knows, translator } from "../lib/words.js";

const words = {
  en: {
    datum_required: "Stores in mainland China need a datum. Choose the one that the coordinates come from.",
    unknown_store: "No store has this id. Import stores first, or mend the id.",
    number_invalid: "Not a plain number.",
    currency_required: "A price without a currency: name one above.",
    duplicate_store: "The same store id comes twice; the first stands.",
    coordinates_swapped: "Latitude and longitude are in each other's column.",
    coordinate_out_of_range: "No such place on earth.",
    store_of_other_partner: "The store belongs to another partner.",
    opening_hours_invalid: "Opening hours must be written as in OpenStreetMap, such as Mo-Su 07:00-23:00.",
    unmapped_item: "The partner has item codes, and this is none of them. Import items first.",
    sku_lost_in_excel: "A spreadsheet has lost digits of the sku. Format the column as text.",
    store_id_lost_in_excel: "A spreadsheet has lost digits of the store id. Format the column as text.",
    row_of_bad_sum: "Waits for another row of the same store and sku, which is bad.",
    would_empty: "It would leave most of what is there empty, or out of service. If that is meant, send it again with the "
      + "option to apply it all the same.",
    datum_changed: "Most known stores have moved alike, as in another datum. Choose that datum, or send it again with the "
      + "option to apply it all the same.",
    column_missing: "A required column is missing. Name yours under “columns by other names”.",
    not_a_table: "This is no table that can be read. Save it as CSV or XLSX.",
    encoding_ambiguous: "Two encodings would explain the text. Say which, under “more options”.",
    older: "Older than what is known already.",
    moved_far: "Moved by more than 1 km since the last import.",
    same_place: "Another store has the very same place.",
    negative_to_zero: "A negative quantity was taken as 0.",
    interrupted: "The service was stopped in the middle.",
  },
  zh: {
    datum_required: "中国大陆的门店必须说明坐标系，请选择坐标的来源。",
    unknown_store: "没有这个编号的门店。请先导入门店，或改正编号。",
    number_invalid: "不是数字。",
    currency_required: "价格没有币种，请在上方填写。",
    duplicate_store: "门店编号重复，以第一行为准。",
    coordinates_swapped: "经度和纬度填反了。",
    coordinate_out_of_range: "坐标超出范围。",
    store_of_other_partner: "门店属于其他合作方。",
    opening_hours_invalid: "营业时间须按 OpenStreetMap 的写法，如 Mo-Su 07:00-23:00。",
    unmapped_item: "该合作方有自己的商品编码，但没有这一个。请先导入商品编码。",
    sku_lost_in_excel: "表格软件丢失了商品编码的位数，请把该列设为文本格式。",
    store_id_lost_in_excel: "表格软件丢失了门店编号的位数，请把该列设为文本格式。",
    row_of_bad_sum: "同店同商品的另一行有误，需一起改好。",
    would_empty: "会使大部分库存清零或门店下线。如确实如此，请勾选“即使触发保护也应用”后重新上传。",
    datum_changed: "大部分已有门店整体偏移，像是换了坐标系。请选择正确的坐标系，或勾选“即使触发保护也应用”。",
    column_missing: "缺少必需的列。请在“列名对应”中指明。",
    not_a_table: "这不是可以读取的表格，请另存为 CSV 或 XLSX。",
    encoding_ambiguous: "有两种编码都说得通，请在“更多选项”中指定编码。",
    older: "比已有的盘点更旧。",
    moved_far: "与上次导入相比移动超过 1 公里。",
    same_place: "与另一家门店位置完全相同。",
    negative_to_zero: "负数按 0 处理。",
    interrupted: "服务中途停止。",
  },
};
const t = translator(words);

/** What is said of a code here; null of others, whose message by the service says it. */
export function codeWord(code) {
  return code !== undefined && knows(words, code) ? t(code) : null;
}
