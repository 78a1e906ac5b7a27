//! Tables that grow: of a component that no compiler makes, because none of ours grows a table.

use super::limits::{limit, metric};
use crate::support::{Origin, Proxy};
use std::fs;
use std::path::Path;
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, HeapType, ImportSection, MemorySection, MemoryType, Module, RefType,
    TableSection, TableType, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where the module has `ok` with no call spared: in memory that nobody has written to.
const CONFIGURED: i32 = 0;
/// Where it has `allow`, and the rule for it.
const ALLOWED: i32 = 64;
const RULE: &str = "it fits";
/// Where it takes what it is handed.
const TAKEN: i32 = 1024;

/// A plugin that allows everything, and whose table has an element more after each request.
fn grower() -> Vec<u8> {
    use ValType::I32;
    let mut types = TypeSection::new();
    types.ty().function([I32], []);
    types.ty().function([I32], [I32]);
    types.ty().function([I32, I32], [I32]);
    types.ty().function([I32; 4], [I32]);
    let mut imports = ImportSection::new();
    imports.import(
        "wproxy:plugin/http@0.2.0",
        "[resource-drop]request",
        EntityType::Function(0),
    );
    let mut functions = FunctionSection::new();
    functions.function(1).function(2).function(3);
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 0,
        maximum: None,
        shared: false,
    });
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports
        .export("wproxy:plugin/access@0.2.0#authorize", ExportKind::Func, 1)
        .export(
            "wproxy:plugin/lifecycle@0.2.0#configure",
            ExportKind::Func,
            2,
        )
        .export("cabi_realloc", ExportKind::Func, 3)
        .export("memory", ExportKind::Memory, 0);
    let (mut authorize, mut configure, mut realloc) =
        (Function::new([]), Function::new([]), Function::new([]));
    authorize
        .instructions()
        .local_get(0)
        .call(0)
        .ref_null(HeapType::FUNC)
        .i32_const(1)
        .table_grow(0)
        .drop()
        .i32_const(ALLOWED)
        .end();
    configure.instructions().i32_const(CONFIGURED).end();
    realloc.instructions().i32_const(TAKEN).end();
    let mut code = CodeSection::new();
    code.function(&authorize)
        .function(&configure)
        .function(&realloc);
    let [at, length] = [ALLOWED as u32 + 12, RULE.len() as u32].map(u32::to_le_bytes);
    let verdict = [&[1, 0, 0, 0], &at[..], &length, RULE.as_bytes()].concat();
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(ALLOWED), verdict);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&tables)
        .section(&memories)
        .section(&exports)
        .section(&code)
        .section(&data);
    component(module.finish())
}

fn component(mut module: Vec<u8>) -> Vec<u8> {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).expect("our WIT");
    let world = resolve
        .select_world(&[package], Some("access-plugin"))
        .expect("there");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .expect("a module");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .expect("a component")
}

#[test]
fn a_table_grows_to_its_limit_and_then_costs_the_call_its_instance() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::plain());
    let plugin = folder.path().join("hostile");
    fs::create_dir(&plugin).unwrap();
    fs::write(plugin.join("grower.wasm"), grower()).unwrap();
    let manifest = "name = \"hostile\"\ncomponent = \"grower.wasm\"\n[limits]\ntable_elements = 5";
    fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    let proxy = Proxy::with_plugins("workers = 1", folder.path());
    for _ in 0..2 {
        for _ in 0..5 {
            assert_eq!(proxy.get(&origin.url("/"), &[]).status, 200);
        }
        let response = proxy.get(&origin.url("/"), &[]);
        let reason = "it wanted more table elements than its limit of 5";
        super::assert_names_plugin(&response, "access", reason);
    }
    // The page itself is a request of the third instance.
    assert_eq!(limit(&proxy, "table"), Some(2.0));
    let instances = "wproxy_plugin_instances_total{plugin=\"hostile\"}";
    assert!(metric(&proxy, instances) >= Some(3.0));
}
