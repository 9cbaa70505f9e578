using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Models;

/// <summary>Attention without gradients on one thread of a CPU over texts that lie end to end, from the projections to the merged heads in one pass (Vaswani et al. 2017, arXiv 1706.03762, eq. 1).</summary>
/// <remarks>
/// For short texts most of the time of attention goes into reordering heads and into softmax over a few numbers. Here a head's keys and values are brought into the cache in single precision once,
/// and four queries at a time run over them. Equals the written-out form of <see cref="FastBert"/> up to rounding; inner products and softmax are in single precision for both types.
/// </remarks>
internal static unsafe class AttentionKernel
{
    private const int Block = 2 * Lanes.Count;
    private const int QueriesAtOnce = 4;

    /// <summary>Every token asks: [1, tokens, hidden].</summary>
    /// <param name="projected">Queries, keys and values side by side without their bias, contiguous [1, tokens, 3 * hidden], single precision or bfloat16.</param>
    /// <param name="bias">Theirs, [3 * hidden], of the same type.</param>
    /// <param name="places">The texts.</param>
    /// <param name="heads">Attention heads.</param>
    public static Tensor Run(Tensor projected, Tensor bias, TextPlaces places, int heads)
    {
        var (hidden, low) = ((int)projected.shape[2] / 3, projected.dtype == ScalarType.BFloat16);
        var target = empty(1, projected.shape[1], hidden, dtype: projected.dtype);
        var all = (nint)ParameterStore.Pointer(projected);
        var biases = (nint)ParameterStore.Pointer(bias);
        Run(new Projections(all, 3 * hidden, biases, all, 3 * hidden, hidden, biases + (2 * hidden * (low ? 2 : 4)), (nint)ParameterStore.Pointer(target), hidden / heads, heads, low, FirstOnly: false), places);
        return target;
    }

    /// <summary>Only the first token of every text asks: [1, texts, hidden].</summary>
    /// <param name="query">Projected first tokens without their bias, contiguous [1, texts, hidden].</param>
    /// <param name="queryBias">Theirs, [hidden].</param>
    /// <param name="keyValue">Keys and values side by side without their bias, contiguous [1, tokens, 2 * hidden], of the same type.</param>
    /// <param name="keyValueBias">Theirs, [2 * hidden].</param>
    /// <param name="places">The texts.</param>
    /// <param name="heads">Attention heads.</param>
    public static Tensor FirstTokens(Tensor query, Tensor queryBias, Tensor keyValue, Tensor keyValueBias, TextPlaces places, int heads)
    {
        var (hidden, low) = ((int)query.shape[2], query.dtype == ScalarType.BFloat16);
        var target = empty(1, query.shape[1], hidden, dtype: query.dtype);
        var valueBias = (nint)ParameterStore.Pointer(keyValueBias) + (hidden * (low ? 2 : 4));
        Run(new Projections((nint)ParameterStore.Pointer(query), hidden, (nint)ParameterStore.Pointer(queryBias), (nint)ParameterStore.Pointer(keyValue), 2 * hidden, 0, valueBias, (nint)ParameterStore.Pointer(target), hidden / heads, heads, low, FirstOnly: true), places);
        return target;
    }

    // Addresses and the width of their rows; the key begins at an offset in its row, the value follows it.
    // The bias of the keys is not needed: it adds the same to all scores of a query, which softmax does not see. That of the values is added to their mean.
    private readonly record struct Projections(nint Query, int QueryWidth, nint QueryBias, nint KeyValue, int KeyValueWidth, int KeyOffset, nint ValueBias, nint Target, int HeadSize, int Heads, bool Low, bool FirstOnly);

    private static void Run(Projections p, TextPlaces places)
    {
        var memory = (float*)NativeMemory.AlignedAlloc((nuint)(Scratch.Length(places.Lengths.Max(), p.HeadSize) * sizeof(float)), 64);
        try
        {
            for (var text = 0; text < places.Lengths.Length; text++)
            {
                var length = places.Lengths[text];
                var scratch = new Scratch(memory, length, p.HeadSize);
                var (firstQuery, queries) = p.FirstOnly ? (text, 1) : (places.Starts[text], length);
                for (var head = 0; head < p.Heads; head++)
                {
                    Gather(p, places.Starts[text], head, length, scratch);
                    for (var query = 0; query < queries; query += QueriesAtOnce)
                        Answer(p, firstQuery + query, Math.Min(QueriesAtOnce, queries - query), head, length, scratch);
                }
            }
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    // Room and width are tokens and head size up to whole blocks of 16. So that a product walks through memory in order, keys lie as [tokens / 16, headSize, 16] and values as [headSize / 16, tokens, 16];
    // then four queries [4, width] and their weights [4, room].
    private readonly struct Scratch(float* memory, int tokens, int headSize)
    {
        public int Room { get; } = Whole(tokens);

        public int Width { get; } = Whole(headSize);

        public float* Keys { get; } = memory;

        public float* Values => Keys + ((long)Room * Width);

        public float* Queries => Values + ((long)Room * Width);

        public float* Weights => Queries + (QueriesAtOnce * Width);

        public static long Length(int tokens, int headSize) => (2L * Whole(tokens) * Whole(headSize)) + (QueriesAtOnce * (Whole(tokens) + Whole(headSize)));

        private static int Whole(int count) => (count + Block - 1) / Block * Block;
    }

    // Keys and values of one head. Columns of the keys beyond the last token hold anything: their scores are not looked at.
    private static void Gather(in Projections p, long firstToken, int head, int length, in Scratch scratch)
    {
        var (size, hidden) = (p.HeadSize, p.Heads * p.HeadSize);
        for (var token = 0; token < length; token++)
        {
            var value = ((firstToken + token) * p.KeyValueWidth) + p.KeyOffset + hidden + (head * size);
            for (var d = 0; d < size; d += Block)
                Copy((void*)p.KeyValue, p.Low, value + d, scratch.Values + ((long)d * length) + (token * Block), Math.Min(Block, size - d));
        }

        var starts = stackalloc long[Lanes.Count];
        for (var token = 0; token < length; token += Lanes.Count)
        {
            for (var lane = 0; lane < Lanes.Count; lane++)
                starts[lane] = ((firstToken + Math.Min(token + lane, length - 1)) * p.KeyValueWidth) + p.KeyOffset + (head * size);
            var keys = scratch.Keys + ((long)(token / Block) * Block * size) + (token % Block);
            if (p.Low)
                TransposeLow((ushort*)p.KeyValue, starts, size, keys);
            else
                Transpose((float*)p.KeyValue, starts, size, keys);
        }
    }

    // Eight tokens become a column of vectors.
    private static void Transpose(float* from, long* starts, int size, float* to)
    {
        var (a, b, c, d) = (starts[0], starts[1], starts[2], starts[3]);
        var (e, f, g, h) = (starts[4], starts[5], starts[6], starts[7]);
        for (var i = 0; i < size; i++, from++, to += Block)
            Vector256.Create(from[a], from[b], from[c], from[d], from[e], from[f], from[g], from[h]).Store(to);
    }

    // Two dimensions at a time: a pair of bfloat16 is one whole number.
    private static void TransposeLow(ushort* from, long* starts, int size, float* to)
    {
        var (a, b, c, d) = (starts[0], starts[1], starts[2], starts[3]);
        var (e, f, g, h) = (starts[4], starts[5], starts[6], starts[7]);
        for (var i = 0; i + 2 <= size; i += 2, from += 2, to += 2 * Block)
        {
            var pairs = Vector256.Create(*(uint*)(from + a), *(uint*)(from + b), *(uint*)(from + c), *(uint*)(from + d), *(uint*)(from + e), *(uint*)(from + f), *(uint*)(from + g), *(uint*)(from + h));
            (pairs << 16).AsSingle().Store(to);
            (pairs & Vector256.Create(0xFFFF0000u)).AsSingle().Store(to + Block);
        }

        for (var lane = 0; size % 2 != 0 && lane < Lanes.Count; lane++)
            to[lane] = BitConverter.UInt32BitsToSingle((uint)from[starts[lane]] << 16);
    }

    // Up to four queries of one head over the gathered keys and values.
    private static void Answer(in Projections p, long firstQuery, int count, int head, int length, in Scratch scratch)
    {
        var (size, room, width) = (p.HeadSize, scratch.Room, scratch.Width);
        var queries = scratch.Queries;
        var weights = scratch.Weights;
        new Span<float>(queries, QueriesAtOnce * width).Clear();
        for (var q = 0; q < count; q++)
            Ask(p, firstQuery + q, head * size, queries + (q * width), (float)(1 / Math.Sqrt(size)));
        for (var token = 0; token < room; token += Block)
            Products(queries, width, scratch.Keys + ((long)token * size), size, weights + token, room);
        var sums = stackalloc float[QueriesAtOnce];
        for (var q = 0; q < count; q++)
            sums[q] = Exponentials(weights + (q * room), length);
        for (var d = 0; d < width; d += Block)
            Products(weights, room, scratch.Values + ((long)d * length), length, queries + d, width);
        for (var q = 0; q < count; q++)
            Save(p, queries + (q * width), 1 / sums[q], firstQuery + q, head * size);
    }

    private static void Copy(void* from, bool low, long start, float* to, int count)
    {
        var i = 0;
        for (; i + Lanes.Count <= count; i += Lanes.Count)
            Lanes.Load(from, low, start + i).Store(to + i);
        for (; i < count; i++)
            to[i] = Lanes.One(from, low, start + i);
    }

    private static void Ask(in Projections p, long query, int feature, float* to, float scale)
    {
        var from = (void*)p.Query;
        var bias = (void*)p.QueryBias;
        var start = (query * p.QueryWidth) + feature;
        var i = 0;
        for (; i + Lanes.Count <= p.HeadSize; i += Lanes.Count)
            ((Lanes.Load(from, p.Low, start + i) + Lanes.Load(bias, p.Low, feature + i)) * Vector256.Create(scale)).Store(to + i);
        for (; i < p.HeadSize; i++)
            to[i] = (Lanes.One(from, p.Low, start + i) + Lanes.One(bias, p.Low, feature + i)) * scale;
    }

    private static void Save(in Projections p, float* from, float scale, long query, int feature)
    {
        var to = (void*)p.Target;
        var bias = (void*)p.ValueBias;
        var start = (query * p.Heads * p.HeadSize) + feature;
        var i = 0;
        for (; i + Lanes.Count <= p.HeadSize; i += Lanes.Count)
            Lanes.Store(to, p.Low, start + i, (Vector256.Load(from + i) * Vector256.Create(scale)) + Lanes.Load(bias, p.Low, feature + i));
        for (; i < p.HeadSize; i++)
            Lanes.StoreOne(to, p.Low, start + i, (from[i] * scale) + Lanes.One(bias, p.Low, feature + i));
    }

    // Four rows times sixteen columns: target[q, c] = sum over i of left[q, i] * right[i, c], sixteen columns of right lying together.
    private static void Products(float* left, int leftWidth, float* right, int length, float* target, int targetWidth)
    {
        var (a0, b0, a1, b1) = (Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero);
        var (a2, b2, a3, b3) = (Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero);
        var left1 = left + leftWidth;
        var left2 = left1 + leftWidth;
        var left3 = left2 + leftWidth;
        for (var i = 0; i < length; i++)
        {
            var a = Vector256.Load(right);
            var b = Vector256.Load(right + Lanes.Count);
            right += Block;
            var one = Vector256.Create(left[i]);
            a0 = Vector256.FusedMultiplyAdd(one, a, a0);
            b0 = Vector256.FusedMultiplyAdd(one, b, b0);
            one = Vector256.Create(left1[i]);
            a1 = Vector256.FusedMultiplyAdd(one, a, a1);
            b1 = Vector256.FusedMultiplyAdd(one, b, b1);
            one = Vector256.Create(left2[i]);
            a2 = Vector256.FusedMultiplyAdd(one, a, a2);
            b2 = Vector256.FusedMultiplyAdd(one, b, b2);
            one = Vector256.Create(left3[i]);
            a3 = Vector256.FusedMultiplyAdd(one, a, a3);
            b3 = Vector256.FusedMultiplyAdd(one, b, b3);
        }

        a0.Store(target);
        b0.Store(target + Lanes.Count);
        a1.Store(target + targetWidth);
        b1.Store(target + targetWidth + Lanes.Count);
        a2.Store(target + (2 * targetWidth));
        b2.Store(target + (2 * targetWidth) + Lanes.Count);
        a3.Store(target + (3 * targetWidth));
        b3.Store(target + (3 * targetWidth) + Lanes.Count);
    }

    // Scores become e^(score - highest score); returns their sum, by which softmax divides.
    private static float Exponentials(float* scores, int length)
    {
        var beyond = Vector256.Create(float.NegativeInfinity);
        if (length % Lanes.Count != 0)
        {
            var last = scores + (length / Lanes.Count * Lanes.Count);
            Vector256.ConditionalSelect(Vector256.LessThan(Vector256.Create(0, 1, 2, 3, 4, 5, 6, 7), Vector256.Create(length % Lanes.Count)).AsSingle(), Vector256.Load(last), beyond).Store(last);
        }

        var most = beyond;
        for (var i = 0; i < length; i += Lanes.Count)
            most = Vector256.MaxNative(most, Vector256.Load(scores + i));
        var four = Vector128.MaxNative(most.GetLower(), most.GetUpper());
        var two = Vector128.MaxNative(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        var highest = Vector256.Create(Vector128.MaxNative(two, Vector128.Shuffle(two, Vector128.Create(1, 0, 3, 2))).ToScalar());
        var sum = Vector256<float>.Zero;
        for (var i = 0; i < length; i += Lanes.Count)
        {
            var e = Exponential(Vector256.Load(scores + i) - highest);
            e.Store(scores + i);
            sum += e;
        }

        return Vector256.Sum(sum);
    }

    // e^x for x <= 0: 2^n e^r with |r| <= ln(2) / 2 and the Taylor polynomial of degree 7; below -87 as at -87 (1.6e-38), NaN stays.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Exponential(Vector256<float> x)
    {
        const float High = 0.693145751953125f;
        const float Rest = 1.4286068203094172e-6f;
        var clamped = Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256.Create(-87f)), Vector256.Create(-87f), x);
        var n = Vector256.Round(clamped * Vector256.Create(1.44269504f));
        var r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-High), clamped);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Rest), r);
        var y = Vector256.FusedMultiplyAdd(r, Vector256.Create(1f / 5040), Vector256.Create(1f / 720));
        y = Vector256.FusedMultiplyAdd(y, r, Vector256.Create(1f / 120));
        y = Vector256.FusedMultiplyAdd(y, r, Vector256.Create(1f / 24));
        y = Vector256.FusedMultiplyAdd(y, r, Vector256.Create(1f / 6));
        y = Vector256.FusedMultiplyAdd(y, r, Vector256.Create(0.5f));
        y = Vector256.FusedMultiplyAdd(y, r, Vector256<float>.One);
        y = Vector256.FusedMultiplyAdd(y, r, Vector256<float>.One);
        var power = ((Vector256.ConvertToInt32(n) + Vector256.Create(127)) << 23).AsSingle();
        return y * power;
    }
}
