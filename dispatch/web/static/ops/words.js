// What all views of the console say.

import { translator } from "../lib/words.js";

export const words = {
  en: {
    title: "Operations",
    views: "Views",
    imports: "Imports",
    map: "Map",
    orders: "Orders",
    stock: "Stock",
    health: "Health",
    cancel: "Cancel",
    loading: "Loading…",
    more: "Show more",
    ago: "{age} ago",
    just_now: "just now",
    whole_hours: "{n} h",
    days: "{n} d",
    no_such_store: "There is no store {id} in service. Check the id; it is written as in the file that named it.",
    store_id: "Store id",
    unnamed: "(no name)",
    service_said: "The service says: ",
  },
  zh: {
    title: "运营后台",
    views: "栏目",
    imports: "导入",
    map: "地图",
    orders: "订单",
    stock: "库存",
    health: "运行状态",
    cancel: "取消",
    loading: "加载中…",
    more: "加载更多",
    ago: "{age}前",
    just_now: "刚刚",
    whole_hours: "{n} 小时",
    days: "{n} 天",
    no_such_store: "没有编号为 {id} 的在营门店。请核对编号，须与导入文件中的写法一致。",
    store_id: "门店编号",
    unnamed: "（未命名）",
    service_said: "服务原话：",
  },
};

export const t = translator(words);
