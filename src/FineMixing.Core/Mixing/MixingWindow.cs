using System.Globalization;
using System.Runtime.CompilerServices;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing;

/// <summary>Neighbours in a file, written together.</summary>
/// <param name="Pieces">Runs of elements.</param>
/// <param name="Mixings">What is done with each.</param>
/// <param name="File">Where the result goes.</param>
/// <remarks>Its parts are compiled apart: all in one, as the compiler would have it once it finds out that this is hot, takes six megabytes for a moment.</remarks>
internal readonly record struct MixingWindow(FilePiece[] Pieces, TensorMixing[] Mixings, OutputFile File)
{
    public long Offset => Pieces[0].Offset;

    public long Length => Pieces[^1].End - Offset;

    public void Mix(MixPlan plan, ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<ICheckpoint> others, ChunkBuffers buffers)
    {
        var ours = Join(suspect, plan, static (_, tensor) => tensor.Action == TensorAction.Mixed ? tensor.Suspect : null);
        var theirs = ours.Length == 0 ? default : Join(@base, plan, static (plan, tensor) => tensor.Base?.DType == tensor.Suspect.DType && plan.ReadsBase(tensor) ? tensor.Base : null);
        var bytes = buffers.Get(0, Size(Length, Pieces[0].Tensor), ours.Offset, Offset);
        var suspectIsRead = ours.Try(bytes.Span);
        var allOfBase = theirs.Length == 0 ? default : buffers.Get(1, bytes.Length, theirs.Offset);
        if (!theirs.Try(allOfBase.Span))
            allOfBase = default;
        for (var i = 0; i < Pieces.Length; i++)
        {
            var (start, length) = ((int)(Pieces[i].Offset - Offset), (int)Pieces[i].Length);
            Mix(Pieces[i], Mixings[i], bytes.Slice(start, length), suspectIsRead, allOfBase.IsEmpty ? default : allOfBase.Slice(start, length), plan, suspect, @base, others, buffers);
        }

        RandomAccess.Write(File.Handle, bytes.Span, Offset);
        if (File.Flush)
            EarlyFlush.Begin(File.Handle, Offset, Length);
    }

    // The pieces' tensors in a model; empty unless all of them are wanted and lie side by side.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private JointRead Join(ICheckpoint model, MixPlan plan, Func<MixPlan, TensorPlan, TensorInfo?> wanted)
    {
        var read = new JointRead(model);
        for (var i = 0; i < Pieces.Length; i++)
        {
            if (wanted(plan, Mixings[i].Plan) is not { } tensor || !read.Add(tensor, Pieces[i].Start * tensor.DType.BitSize() / 8, Pieces[i].Count * tensor.DType.BitSize() / 8))
                return default;
        }

        return read;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Mix(FilePiece place, TensorMixing mixing, Memory<byte> target, bool suspectIsRead, Memory<byte> baseBytes, MixPlan plan, ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<ICheckpoint> others, ChunkBuffers buffers)
    {
        // The result replaces the suspect's bytes: three buffers less to go through the cache.
        var tensor = mixing.Plan;
        if (!suspectIsRead && tensor.Action is (TensorAction.Suspect or TensorAction.Mixed))
            suspect.Read(tensor.Suspect, place.Start * tensor.Suspect.DType.BitSize() / 8, target.Span);
        var siblings = tensor.Others.Count == 0 ? [] : new MixSource[tensor.Others.Count];
        for (var i = 0; i < siblings.Length; i++)
            siblings[i] = Read(others[i], tensor.Others[i], 2 + i);
        var inputs = new MixInputs(
            new MixSource(tensor.Suspect.DType, target),
            !baseBytes.IsEmpty ? new MixSource(tensor.Base!.DType, baseBytes) : plan.ReadsBase(tensor) ? Read(@base, tensor.Base!, 1) : default,
            siblings);
        mixing.Mix(place.Start, inputs, target.Span, plan.Options.CheckFinite);

        MixSource Read(ICheckpoint model, TensorInfo info, int slot)
        {
            var memory = buffers.Get(slot, Size(place.Count * info.DType.BitSize() / 8, info));
            model.Read(info, place.Start * info.DType.BitSize() / 8, memory.Span);
            return new MixSource(info.DType, memory);
        }
    }

    private static int Size(long length, TensorInfo tensor) => length <= Array.MaxLength
        ? (int)length
        : throw new NotSupportedException(string.Create(CultureInfo.InvariantCulture, $"Tensor {tensor} has {length} bytes; methods that need whole tensors handle at most {Array.MaxLength}."));
}
