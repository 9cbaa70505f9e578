using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FineMixing.Mixing;

/// <summary>Where the elements of a vector begin within the words of the mask, which draw for four elements each: a destination whose aligned vectors begin between two words needs parts of both.</summary>
internal interface IWordOffset
{
    /// <summary>How many elements of its first word a vector leaves out, 0..3.</summary>
    int Elements { get; }

    /// <summary>The 16 draws of a vector, from four words and the four that follow.</summary>
    Vector256<ushort> Draws(Vector256<ulong> words, Vector256<ulong> next);
}

/// <summary>Vectors begin where words do; the following words are not needed.</summary>
internal readonly struct WholeWords : IWordOffset
{
    public int Elements => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<ushort> Draws(Vector256<ulong> words, Vector256<ulong> next) => words.AsUInt16();
}

/// <summary>Vectors begin within words.</summary>
/// <param name="elements">How many elements of the first word are left out, 1..3.</param>
internal readonly struct SplitWords(int elements) : IWordOffset
{
    private readonly Vector256<ulong> _down = Vector256.Create(16UL * (ulong)elements);
    private readonly Vector256<ulong> _up = Vector256.Create(64 - (16UL * (ulong)elements));

    /// <summary>Whether this processor has the instructions.</summary>
    public static bool IsSupported => Avx2.IsSupported;

    public int Elements => elements;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<ushort> Draws(Vector256<ulong> words, Vector256<ulong> next)
    {
        // The words one further on: three of these and the first of the next.
        var across = Avx2.Permute2x128(words, next, 0x21);
        var following = Avx2.AlignRight(across, words, 8);
        return (Avx2.ShiftRightLogicalVariable(words, _down) | Avx2.ShiftLeftLogicalVariable(following, _up)).AsUInt16();
    }
}
