namespace FineMixing.Checkpoints;

/// <summary>The element types of checkpoint tensors, as the safetensors format names them.</summary>
public enum DType
{
    /// <summary>One byte, 0 or 1.</summary>
    Bool,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Unsigned 16-bit integer.</summary>
    U16,

    /// <summary>IEEE 754 half precision.</summary>
    F16,

    /// <summary>bfloat16: the upper half of a single-precision number.</summary>
    BF16,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Unsigned 32-bit integer.</summary>
    U32,

    /// <summary>IEEE 754 single precision.</summary>
    F32,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>Unsigned 64-bit integer.</summary>
    U64,

    /// <summary>IEEE 754 double precision.</summary>
    F64,

    /// <summary>Complex number of two single-precision parts.</summary>
    C64,

    /// <summary>8-bit float, 4 exponent bits, 3 mantissa bits.</summary>
    F8E4M3,

    /// <summary>8-bit float, 5 exponent bits, 2 mantissa bits.</summary>
    F8E5M2,

    /// <summary>8-bit scale, 8 exponent bits.</summary>
    F8E8M0,

    /// <summary>6-bit float, 2 exponent bits, 3 mantissa bits.</summary>
    F6E2M3,

    /// <summary>6-bit float, 3 exponent bits, 2 mantissa bits.</summary>
    F6E3M2,

    /// <summary>4-bit float.</summary>
    F4,
}

/// <summary>Facts about <see cref="DType"/>.</summary>
public static class DTypes
{
    private static readonly (DType Type, string Name, int Bits)[] Table =
    [
        (DType.Bool, "BOOL", 8), (DType.U8, "U8", 8), (DType.I8, "I8", 8), (DType.I16, "I16", 16), (DType.U16, "U16", 16),
        (DType.F16, "F16", 16), (DType.BF16, "BF16", 16), (DType.I32, "I32", 32), (DType.U32, "U32", 32), (DType.F32, "F32", 32),
        (DType.I64, "I64", 64), (DType.U64, "U64", 64), (DType.F64, "F64", 64), (DType.C64, "C64", 64),
        (DType.F8E4M3, "F8_E4M3", 8), (DType.F8E5M2, "F8_E5M2", 8), (DType.F8E8M0, "F8_E8M0", 8),
        (DType.F6E2M3, "F6_E2M3", 6), (DType.F6E3M2, "F6_E3M2", 6), (DType.F4, "F4", 4),
    ];

    /// <summary>The size of one element in bits.</summary>
    public static int BitSize(this DType dtype) => Table[(int)dtype].Bits;

    /// <summary>The name the safetensors format uses, for example <c>BF16</c>.</summary>
    public static string SafetensorsName(this DType dtype) => Table[(int)dtype].Name;

    /// <summary>True for the types whose values FineMixing mixes: F16, BF16, F32, F64.</summary>
    public static bool IsMixable(this DType dtype) => dtype is DType.F16 or DType.BF16 or DType.F32 or DType.F64;

    /// <summary>True for whole numbers and flags: buffers that count or index, not weights.</summary>
    public static bool IsInteger(this DType dtype) => dtype is DType.Bool or DType.U8 or DType.I8 or DType.U16 or DType.I16 or DType.U32 or DType.I32 or DType.U64 or DType.I64;

    /// <summary>Finds a type by its safetensors name (exact case).</summary>
    public static bool TryParse(string name, out DType dtype)
    {
        foreach (var row in Table)
        {
            if (row.Name == name)
            {
                dtype = row.Type;
                return true;
            }
        }

        dtype = default;
        return false;
    }
}
