using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using FineMixing.Checkpoints;

namespace FineMixing.Torch.Models;

/// <summary>Eight numbers in single precision at a time, from and to memory in single precision or bfloat16.</summary>
internal static unsafe class Lanes
{
    public const int Count = 8;

    /// <summary>Eight numbers from element <paramref name="i"/> on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(void* values, bool low, long i) =>
        low ? (Vector256.Create(Vector128.WidenLower(Vector128.Load((ushort*)values + i)), Vector128.WidenUpper(Vector128.Load((ushort*)values + i))) << 16).AsSingle() : Vector256.Load((float*)values + i);

    /// <summary>Element <paramref name="i"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float One(void* values, bool low, long i) => low ? BitConverter.UInt32BitsToSingle((uint)((ushort*)values)[i] << 16) : ((float*)values)[i];

    /// <summary>Writes eight numbers, rounded to nearest, ties to even; NaN stays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(void* values, bool low, long i, Vector256<float> x)
    {
        if (!low)
        {
            x.Store((float*)values + i);
            return;
        }

        var bits = x.AsUInt32();
        var rounded = Vector256.ConditionalSelect(Vector256.Equals(x, x).AsUInt32(), (bits + Vector256.Create(0x7FFFu) + ((bits >>> 16) & Vector256<uint>.One)) >>> 16, Vector256.Create(0x7FC0u));
        Vector128.Narrow(rounded.GetLower(), rounded.GetUpper()).Store((ushort*)values + i);
    }

    /// <summary>Writes one number, rounded likewise.</summary>
    public static void StoreOne(void* values, bool low, long i, float x)
    {
        if (low)
            ((ushort*)values)[i] = FloatConversion.ToBFloat16(x);
        else
            ((float*)values)[i] = x;
    }
}
