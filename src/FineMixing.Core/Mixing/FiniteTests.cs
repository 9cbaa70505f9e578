using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing;

/// <summary>Finds NaN and infinity among values that pass by, for a kernel that has them in registers anyway.</summary>
/// <remarks>Without its sign a value that is not finite is larger, as a whole number, than every finite one: the largest of all tells.</remarks>
internal interface IFiniteTest
{
    /// <summary>The larger of each lane and the two vectors' lanes, without their signs.</summary>
    Vector256<uint> Larger(Vector256<uint> largest, Vector256<uint> first, Vector256<uint> second);

    /// <summary>Whether no lane came from a NaN or infinity.</summary>
    bool IsFinite(Vector256<uint> largest);
}

/// <summary>No test: everything counts as finite, and the kernel has no code for it.</summary>
internal readonly struct NoFiniteTest : IFiniteTest
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<uint> Larger(Vector256<uint> largest, Vector256<uint> first, Vector256<uint> second) => largest;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsFinite(Vector256<uint> largest) => true;
}

/// <summary>Single precision.</summary>
internal readonly struct FiniteTest32 : IFiniteTest
{
    // An exponent of ones, moved past the sign.
    private const uint Limit = 0xFF000000;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<uint> Larger(Vector256<uint> largest, Vector256<uint> first, Vector256<uint> second) =>
        Vector256.Max(largest, Vector256.Max(first + first, second + second));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsFinite(Vector256<uint> largest) => Vector256.LessThanAll(largest, Vector256.Create(Limit));
}

/// <summary>Half precision of either kind.</summary>
/// <param name="type">F16 or BF16.</param>
internal readonly struct FiniteTest16(DType type) : IFiniteTest
{
    private readonly ushort _limit = type == DType.BF16 ? (ushort)0xFF00 : (ushort)0xF800;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<uint> Larger(Vector256<uint> largest, Vector256<uint> first, Vector256<uint> second) =>
        Vector256.Max(largest.AsUInt16(), Vector256.Max(first.AsUInt16() + first.AsUInt16(), second.AsUInt16() + second.AsUInt16())).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsFinite(Vector256<uint> largest) => Vector256.LessThanAll(largest.AsUInt16(), Vector256.Create(_limit));
}
