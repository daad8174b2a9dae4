// Types of every request and answer of `phiz serve`, made from docs/reference/openapi.json by `npm run types`. Do not edit.

export interface paths {
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say that the process lives */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Figures for Prometheus */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say whether requests are taken on */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/archive": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show what the archive holds, in figures */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ArchiveFigures"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List who did what, latest first */
        get: {
            parameters: {
                query?: {
                    /** @description How many items; 100 unless it is set */
                    limit?: number;
                    /** @description Where to go on: `next` of the part before */
                    cursor?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_AuditEntry"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/compare": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Compare two templates */
        post: {
            parameters: {
                query?: {
                    /** @description False match rate; 0.001 unless it is set */
                    fmr?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Compare"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Verified"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/detect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Find the faces in a photo */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /**
                     * @description Whether the photo is looked at only once, as is right for a camera's frames: faces of 40 pixels or more are found in
                     *     pictures of up to a thousand pixels
                     */
                    quick?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PhotoJson"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotoForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Detected"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/doubts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what may be wrong with the people who are enrolled; `POST /v1/review` answers it */
        get: {
            parameters: {
                query?: {
                    /** @description How many items; 100 unless it is set */
                    limit?: number;
                    /** @description Where to go on: `next` of the part before */
                    cursor?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Asked"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/embed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Describe the faces in a photo by their templates */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /**
                     * @description Whether the photo is looked at only once, as is right for a camera's frames: faces of 40 pixels or more are found in
                     *     pictures of up to a thousand pixels
                     */
                    quick?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PhotoJson"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotoForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["EmbeddedPhoto"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/enrol/check": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say what would become of photos of somebody who is new if they were enrolled; nothing is stored */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /**
                     * @description Whether the photo is looked at only once, as is right for a camera's frames: faces of 40 pixels or more are found in
                     *     pictures of up to a thousand pixels
                     */
                    quick?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                    /** @description Whether faces that are small, blurred or dark are taken, too */
                    force?: boolean;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PhotosJson"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotosForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["JudgedPhotos"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/faces/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a face */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example f1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["StoredFace"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Remove a face; this can be undone */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example f1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/faces/{id}/crop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show the picture of a face: aligned, 112×112 pixels */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example f1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "image/jpeg": number[];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/faces/{id}/move": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give a face to another person */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example f1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["MoveTo"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["MovedFace"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/faces/{id}/not": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say that a face is not its person */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example f1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["NewNegative"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/galleries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the galleries that the caller may use */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_GalleryHead"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Make a gallery */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewGallery"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["GalleryHead"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a gallery in figures */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["GalleryFigures"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery/adopt": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Bring the gallery to the server's model: templates are computed anew from the pictures that are kept */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": null | components["schemas"]["AdoptWhat"];
                };
            };
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        /** Go back to the model before the last adoption */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AdoptUndone"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery/backup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Download a copy of the gallery as it is now, sealed as it is: its key opens it */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/octet-stream": number[];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery/calibration": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say whether rates were measured on this gallery */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["CalibrationState"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Measure rates on this gallery's own people, and decide by them from then on */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        /** Forget the measured rates: the model's own hold again */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery/evaluation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Measure how well this gallery recognises its own people */
        post: {
            parameters: {
                query?: {
                    /** @description False positive identification rate; 0.01 unless it is set */
                    fpir?: number;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery/purge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Destroy what was removed, and prove that it is gone */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": null | components["schemas"]["PurgeWhat"];
                };
            };
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery/rates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say what a rate means in this gallery */
        get: {
            parameters: {
                query?: {
                    /** @description False positive identification rate; 0.01 unless it is set */
                    fpir?: number;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Rates"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what can be undone, latest first */
        get: {
            parameters: {
                query?: {
                    /** @description How many items; 100 unless it is set */
                    limit?: number;
                    /** @description Where to go on: `next` of the part before */
                    cursor?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Operation"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/identify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say whose faces a photo shows */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /**
                     * @description Whether the photo is looked at only once, as is right for a camera's frames: faces of 40 pixels or more are found in
                     *     pictures of up to a thousand pixels
                     */
                    quick?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                    /** @description False positive identification rate; 0.01 unless it is set */
                    fpir?: number;
                    /** @description Instead: false match rate of each comparison */
                    fmr?: number;
                    /** @description Only people on this watch list */
                    list?: string;
                    /** @description How many candidates are listed for each face; 5 unless it is set */
                    top?: number;
                    /** @description Whether one person may be in the photo more than once: in a collage or a mirror, or who has a twin */
                    twins?: boolean;
                    /**
                     * @description Whether what was seen is kept: templates and pictures of the faces, but not the photo. Strangers are found in it and
                     *     can be named. Needs the scope `enrol`
                     */
                    keep?: boolean;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PhotoJson"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotoForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["IdentifiedPhoto"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List jobs, latest first */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a job */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @example j1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** End a job at its next step */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @example j1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follow a job: events `progress`, at the end `done`, `failed` or `cancelled` */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @example j1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": string;
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List keys */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_KeyInfo"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Make a key; it is shown this once */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewKey"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["MadeKey"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Take a key back */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @example k1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/lists": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the watch lists */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_WatchList"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/negatives/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Take back that a face is not a person */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example n1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/passphrase": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Set another passphrase; all sessions end */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewPassphrase"];
                };
            };
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List people */
        get: {
            parameters: {
                query?: {
                    /** @description Only people whose name contains this */
                    q?: string;
                    /** @description Only people of exactly this name, whatever its case */
                    name?: string;
                    /** @description Only people on this watch list */
                    list?: string;
                    /** @description Only people with this attribute, as `KEY=VALUE` */
                    attribute?: string;
                    /** @description How many items; 100 unless it is set */
                    limit?: number;
                    /** @description Where to go on: `next` of the part before */
                    cursor?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Person"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Make a person */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewPerson"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ChangedPerson"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a person */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Person"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Remove a person with all faces; this can be undone */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        /** Change a person's name, attributes or watch lists */
        patch: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PersonChange"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ChangedPerson"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/v1/people/{id}/candidates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the people whom a person resembles most */
        get: {
            parameters: {
                query?: {
                    /** @description How many people; 5 unless it is set */
                    top?: number;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Candidate"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}/faces": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List a person's faces */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_StoredFace"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Add faces to a person from photos */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /**
                     * @description Whether the photo is looked at only once, as is right for a camera's frames: faces of 40 pixels or more are found in
                     *     pictures of up to a thousand pixels
                     */
                    quick?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                    /** @description On what ground the faces are kept, in the words of whoever enrols them */
                    consent?: string;
                    /** @description Whether faces that are small, blurred or dark are taken, too */
                    force?: boolean;
                    /** @description Whether a picture of the face is kept; true unless it is set */
                    crop?: boolean;
                    /** @description Whether the photos are only judged: nothing is stored */
                    dry_run?: boolean;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PhotosJson"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotosForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["EnrolledPhotos"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}/merge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Merge people who are one person */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Merge"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["MergedPerson"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}/negatives": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what is said not to be a person */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Negative"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Say that a face is not a person */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /**
                     * @description Whether the photo is looked at only once, as is right for a camera's frames: faces of 40 pixels or more are found in
                     *     pictures of up to a thousand pixels
                     */
                    quick?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NotFace"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotoForm"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["NewNegative"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}/picture": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show the picture of a person's best face */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "image/jpeg": number[];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Restore a person who was removed */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Person"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}/split": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Split some faces of a person off as a new person */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Split"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ChangedPerson"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/photos": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the photos that show somebody, by path; all photos if nothing is asked for */
        get: {
            parameters: {
                query?: {
                    /**
                     * @description Photos that show one of these people, by id, with commas
                     * @example p1,p2
                     */
                    person?: string;
                    /** @description Only photos that show all of these people, too */
                    with?: string;
                    /** @description Only photos that show none of these people */
                    without?: string;
                    /** @description Only photos that show somebody whom nobody has named */
                    unknown?: boolean;
                    /** @description Only photos that show this stranger, by number */
                    stranger?: number;
                    /** @description Only photos of that time or later, in seconds since 1970 */
                    since?: number;
                    /** @description Only photos of before that time, in seconds since 1970 */
                    before?: number;
                    /** @description How many items; 100 unless it is set */
                    limit?: number;
                    /** @description Where to go on: `next` of the part before */
                    cursor?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_ArchivePhoto"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/photos/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a photo of the archive and the faces in it */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example i1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ArchivePhoto"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Forget a photo of the archive and what was seen in it; scanning finds it again */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example i1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/photos/{id}/picture": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show the picture of a photo of the archive, upright */
        get: {
            parameters: {
                query?: {
                    /** @description The longer side in pixels at the most; 1600 unless it is set */
                    side?: number;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example i1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "image/jpeg": number[];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/review": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the questions whose answers help most, the one that decides the most faces first */
        get: {
            parameters: {
                query?: {
                    /** @description How many questions; 20 unless it is set */
                    limit?: number;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Questions"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Answer a question */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ReviewAnswer"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Reviewed"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/review/undo": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take an answer back: its question is asked again */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ReviewUndo"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ReviewUndone"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/scan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the folders that the server may scan */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ScanFolders"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Look at the photos of a folder of the server, and keep what is seen; photos that are known are not looked at again */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": null | components["schemas"]["ScanWhat"];
                };
            };
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show the session */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionInfo"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Sign in */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["LogIn"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionInfo"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        /** Sign out */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/setup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Set the first passphrase, with the code that the terminal shows */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Setup"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionInfo"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sightings/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say where a face was seen before: the sightings that are most like it, whoever they are */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /**
                     * @description Whether the photo is looked at only once, as is right for a camera's frames: faces of 40 pixels or more are found in
                     *     pictures of up to a thousand pixels
                     */
                    quick?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                    /** @description How many sightings; 20 unless it is set */
                    limit?: number;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PhotoJson"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotoForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_LikeSeen"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sightings/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a face that was seen */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example s1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Seen"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sightings/{id}/crop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show the picture of a face that was seen: aligned, 112×112 pixels */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example s1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "image/jpeg": number[];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sightings/{id}/explain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say why a face that was seen is who it is, or is not */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example s1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Explanation"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sightings/{id}/not": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say that a face that was seen is not a person */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example s1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NotWhom"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sightings/{id}/person": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say who a face that was seen is; a face that is good enough is enrolled as well */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example s1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Whom"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SaidWho"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say whether the server is set up, and who asks */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Status"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/strangers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the strangers, the one with the most faces first */
        get: {
            parameters: {
                query?: {
                    /** @description Those that nobody wants to hear of instead */
                    ignored?: boolean;
                    /** @description How many faces are listed of each; 6 unless it is set */
                    faces?: number;
                    /** @description How many items; 100 unless it is set */
                    limit?: number;
                    /** @description Where to go on: `next` of the part before */
                    cursor?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Stranger"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/strangers/{number}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a stranger with all faces */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example 1 */
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Stranger"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/strangers/{number}/candidates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the people whom a stranger resembles most, though not enough to be one of them */
        get: {
            parameters: {
                query?: {
                    /** @description How many people; 5 unless it is set */
                    top?: number;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example 1 */
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Candidate"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/strangers/{number}/ignore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Do not list a stranger any more */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example 1 */
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/strangers/{number}/join": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Join strangers who are one person: the others' numbers stand for this one from then on */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example 1 */
                    number: number;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["JoinStrangers"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["DoneSeveral"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/strangers/{number}/name": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say who a stranger is: the best and most different faces are enrolled */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example 1 */
                    number: number;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Whom"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["NamedStranger"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/strangers/{number}/notice": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** List a stranger again who was ignored */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example 1 */
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/strangers/{number}/split": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Divide a stranger who is two people: some faces become a stranger of their own */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example 1 */
                    number: number;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SplitStranger"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["NewStranger"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/streams": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the cameras that are watched */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Stream"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Watch a camera */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewStream"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Stream"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/streams/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a camera, and who is before it */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example c0123abcd */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Stream"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Forget a camera and its visits */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example c0123abcd */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        /** Change a camera: begin or end watching with `running` */
        patch: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example c0123abcd */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["StreamEdit"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Stream"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/v1/streams/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follow a camera: events `state` with a Stream, and `appeared`, `identified`, `changed`, `left`, `visit` with a StreamEvent */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: {
                    /** @description Go on after this event, while it is among the last 1,000 */
                    "Last-Event-ID"?: string | null;
                };
                path: {
                    /** @example c0123abcd */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": string;
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/streams/{id}/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Look through a camera: JPEG pictures with faces marked, one after the other */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example c0123abcd */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "multipart/x-mixed-replace": number[];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/streams/{id}/snapshots": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the pictures that were kept with events or asked for, the latest first */
        get: {
            parameters: {
                query?: {
                    /** @description Only those that were taken then or later, in seconds since 1970 */
                    from?: number;
                    /** @description Only those that were taken then or before */
                    until?: number;
                    /** @description How many; 100 unless it is set */
                    limit?: number;
                    /** @description Where to go on: `next` of the part before */
                    cursor?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example c0123abcd */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_StreamSnapshot"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Keep a picture of what a camera shows now */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example c0123abcd */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["StreamSnapshot"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        /** Forget the pictures that a camera's snapshots are */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example c0123abcd */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/streams/{id}/snapshots/{snapshot}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a snapshot */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example c0123abcd */
                    id: string;
                    /** @example n34 */
                    snapshot: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "image/jpeg": number[];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/streams/{id}/visits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List who was before a camera, the latest first */
        get: {
            parameters: {
                query?: {
                    /** @description Only visits that ended then or later, in seconds since 1970 */
                    from?: number;
                    /** @description Only visits that began then or before */
                    until?: number;
                    /** @description How many; 100 unless it is set */
                    limit?: number;
                    /** @description Where to go on: `next` of the part before */
                    cursor?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example c0123abcd */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_StreamVisit"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Forget who was before a camera */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example c0123abcd */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/streams/{id}/visits/{visit}/picture": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show the best view of a visit */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example c0123abcd */
                    id: string;
                    /** @example v12 */
                    visit: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "image/jpeg": number[];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/undo": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Undo a change, the latest if none is named */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": null | components["schemas"]["Undo"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Undone"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say whether two photos show the same person, or whether a photo shows a person of the gallery */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /**
                     * @description Whether the photo is looked at only once, as is right for a camera's frames: faces of 40 pixels or more are found in
                     *     pictures of up to a thousand pixels
                     */
                    quick?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                    /** @description False match rate; 0.001 unless it is set */
                    fmr?: number;
                    /**
                     * @description Compare `photo` with this person instead of `a` with `b`
                     * @example p1
                     */
                    person?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PairJson"];
                    "multipart/form-data": components["schemas"]["PairForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Verified"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A gallery that went back to its former model. */
        AdoptUndone: {
            /** @description The model before. */
            from: string;
            /** @description Faces seen in photos that say nothing until the photos are scanned again. */
            sightings: number;
            /** @description The model now. */
            to: string;
            /** @description Faces and negatives that wait for a template of it. */
            waiting: number;
        };
        /** @description How a gallery is brought to the server's model. */
        AdoptWhat: {
            /** @description Whether nothing is changed: the result says what would be. */
            dry_run?: boolean;
            /**
             * @description Folders of photos, each in one that the server may scan: there the photos of faces are looked for of which no picture
             *     is kept.
             */
            photos?: string[];
        };
        /**
         * @description What is answered.
         * @enum {string}
         */
        AnswerKind: "yes" | "no" | "second" | "name" | "never";
        /** @description What the archive holds. */
        ArchiveFigures: {
            /** @description Faces in them. */
            faces: number;
            /** @description Faces of which it is known who they are. */
            named: number;
            /** @description Photos that are there and can be used. */
            photos: number;
            /** @description Strangers whom nobody has named or ignored. */
            strangers: number;
        };
        /** @description A photo of the archive. */
        ArchivePhoto: {
            /** @description Other files with the same content. */
            copies: string[];
            /** @description Its faces, or those that were looked for. */
            faces: components["schemas"]["Seen"][];
            /**
             * Format: int32
             * @description Rows.
             */
            height: number;
            /** @description Its file, or the name that it was sent under. */
            path: string;
            /**
             * @description The photo.
             * @example i1
             */
            photo: string;
            /** @description Whether it was sent: only pictures of its faces are kept. */
            sent: boolean;
            /**
             * Format: int64
             * @description When it was taken or, if that is not known, last changed or sent, in seconds since 1970.
             */
            taken: number;
            /**
             * Format: int32
             * @description Columns of the upright photo.
             */
            width: number;
        };
        /** @description A question with its worth. Every one can also be answered by `never`: it is not asked again. */
        Asked: components["schemas"]["AskedWhat"] & {
            /** @description Names the question: `POST /v1/review` takes it. */
            key: string;
            /**
             * Format: double
             * @description How many faces the answer decides, about.
             */
            worth: number;
        };
        /** @description What is asked, by its `question`. */
        AskedWhat: {
            /**
             * @description The enrolled face that is most like it.
             * @example f1
             */
            beside?: string | null;
            /** @description The face. */
            face: components["schemas"]["ShownFace"];
            /**
             * Format: double
             * @description The chance that a stranger resembles anybody as much.
             */
            fpir: number;
            /** @description The person. */
            person: components["schemas"]["Somebody"];
            /** @enum {string} */
            question: "is_person";
        } | {
            /** @description The face. */
            face: components["schemas"]["ShownFace"];
            /** @description The one. */
            first: components["schemas"]["Somebody"];
            /** @enum {string} */
            question: "which_person";
            /** @description The other. */
            second: components["schemas"]["Somebody"];
        } | {
            /**
             * @description The enrolled face that is most like them.
             * @example f1
             */
            beside?: string | null;
            /** @description Their best faces. */
            faces: components["schemas"]["ShownFace"][];
            /**
             * Format: double
             * @description The chance that another stranger resembles anybody as much.
             */
            fpir: number;
            /** @description The person. */
            person: components["schemas"]["Somebody"];
            /** @enum {string} */
            question: "stranger_is_person";
            /**
             * Format: int64
             * @description The stranger's number.
             */
            stranger: number;
        } | {
            /** @description The best faces of the one. */
            faces: components["schemas"]["ShownFace"][];
            /**
             * Format: int64
             * @description The one.
             */
            first: number;
            /**
             * Format: double
             * @description The false match rate of their likeness.
             */
            fmr: number;
            /** @description The best faces of the other. */
            others: components["schemas"]["ShownFace"][];
            /** @enum {string} */
            question: "one_stranger";
            /**
             * Format: int64
             * @description The other.
             */
            second: number;
        } | {
            /** @description Their best faces. */
            faces: components["schemas"]["ShownFace"][];
            /** @description In how many photos they are. */
            photos: number;
            /** @enum {string} */
            question: "who_is";
            /**
             * Format: int64
             * @description The stranger's number.
             */
            stranger: number;
        } | {
            /**
             * @description The face.
             * @example f1
             */
            face: string;
            /**
             * Format: double
             * @description The false match rate of its likeness to the person's other faces.
             */
            fmr: number;
            /** @description The person. */
            person: components["schemas"]["Somebody"];
            /** @enum {string} */
            question: "belongs_to";
        } | {
            /** @description The one. */
            first: components["schemas"]["Somebody"];
            /**
             * Format: double
             * @description The false match rate of their likeness.
             */
            fmr: number;
            /** @enum {string} */
            question: "one_person";
            /** @description The other. */
            second: components["schemas"]["Somebody"];
        } | {
            /** @description The faces that may be somebody else's. */
            faces: string[];
            /**
             * Format: double
             * @description The false match rate of the likeness of the two halves.
             */
            fmr: number;
            /** @description The person. */
            person: components["schemas"]["Somebody"];
            /** @enum {string} */
            question: "two_people";
        } | {
            /**
             * @description The face.
             * @example f1
             */
            face: string;
            /**
             * Format: double
             * @description The false match rate of the likeness of the two.
             */
            fmr: number;
            /**
             * @description What was said not to be the person.
             * @example n1
             */
            negative: string;
            /** @description The person. */
            person: components["schemas"]["Somebody"];
            /** @enum {string} */
            question: "misleads";
        };
        /** @description Who did what. */
        AuditEntry: {
            /**
             * Format: int64
             * @description When, in seconds since 1970.
             */
            at: number;
            /** @description The gallery; null where none is meant. */
            gallery?: string | null;
            /** @description The request. */
            request_id: string;
            /**
             * Format: int32
             * @description The HTTP status that was answered.
             */
            status: number;
            /** @description The id in the route; null if it has none. */
            subject?: string | null;
            /** @description Method and route. */
            what: string;
            /** @description A key's id, `session`, `setup` or `nobody`. */
            who: string;
        };
        /** @description What was measured on a gallery. */
        CalibrationFigures: {
            /**
             * Format: int64
             * @description When, in seconds since 1970.
             */
            at: number;
            /**
             * Format: int64
             * @description How many comparisons of different people.
             */
            comparisons: number;
            /** @description How many people there were. */
            people: number;
            /**
             * Format: double
             * @description Independent comparisons that one comparison in a search amounts to.
             */
            share: number;
        };
        /** @description What was measured on a gallery, if anything was. */
        CalibrationState: {
            calibration?: null | components["schemas"]["CalibrationFigures"];
        };
        /** @description A person whom a face resembles. */
        Candidate: {
            /**
             * @description The enrolled face that carried the comparison: of the person's faces the most similar.
             * @example f1
             */
            face: string;
            /**
             * Format: double
             * @description False match rate: the share of pairs of different people that are as similar or more.
             */
            fmr: number;
            /**
             * Format: double
             * @description False positive identification rate: the chance that a stranger resembles anybody among those searched as much.
             */
            fpir: number;
            /**
             * @description The person.
             * @example p1
             */
            id: string;
            /** @description The person's name. */
            person: string;
            /**
             * Format: float
             * @description Cosine between the face and the person's faces, combined; −1 to 1.
             */
            similarity: number;
        };
        /** @description A person after a change, and the operation that takes it back. */
        ChangedPerson: components["schemas"]["Person"] & {
            /**
             * @description The operation to undo.
             * @example o1
             */
            operation: string;
        };
        /** @enum {string} */
        Code: "bad_request" | "bad_id" | "bad_cursor" | "bad_host" | "unauthorised" | "setup_needed" | "wrong_passphrase" | "folder_not_allowed" | "csrf" | "forbidden" | "not_found" | "no_person" | "no_face_id" | "no_negative" | "no_operation" | "no_gallery" | "no_job" | "no_key" | "no_stream" | "no_photo" | "no_sighting" | "no_stranger" | "no_picture" | "method_not_allowed" | "timeout" | "conflict" | "changed_since" | "preview_off" | "said_not_to_be" | "several_people" | "stranger_named" | "not_asked" | "setup_done" | "other_model" | "too_few_people" | "idempotency_running" | "idempotency_lost" | "too_large_body" | "wrong_type" | "idempotency_mismatch" | "bad_name" | "bad_value" | "unknown_format" | "damaged" | "too_large" | "unusable" | "no_face" | "several_faces" | "no_such_face" | "face_too_small" | "face_too_poor" | "refused" | "too_many_requests" | "too_many_attempts" | "header_too_large" | "internal" | "overloaded" | "stopping" | "too_slow" | "busy" | "storage";
        /** @description Two templates to be compared. */
        Compare: {
            /** @description Base64 of little-endian f32 values, as `embed` answers it. */
            a: string;
            /** @description The other. */
            b: string;
            /** @description The model that made them. */
            model: string;
        };
        /**
         * @description Kind of decision about a face.
         * @enum {string}
         */
        DecisionKind: "match" | "ambiguous" | "unknown";
        /** @description What a photo shows: its size as it is seen (upright) and its faces, from the largest to the smallest. */
        Detected: {
            /** @description The faces. */
            faces: components["schemas"]["Face"][];
            /**
             * Format: int32
             * @description Rows.
             */
            height: number;
            /**
             * Format: int32
             * @description Columns.
             */
            width: number;
        };
        /** @description A change was made. */
        Done: {
            /**
             * @description The operation to undo.
             * @example o1
             */
            operation: string;
        };
        /** @description Changes that were made. */
        DoneSeveral: {
            /** @description The operations to undo, the last first. */
            operations: string[];
        };
        /** @description Why somebody should look at a face that was enrolled. */
        DoubtAbout: {
            /** @enum {string} */
            kind: "unlike";
            /**
             * Format: float
             * @description How much it resembles the person's other faces, combined.
             */
            like_own: number;
            nearest?: null | components["schemas"]["Candidate"];
        } | {
            /** @enum {string} */
            kind: "also_like";
            /** @description The most similar other person. */
            other: components["schemas"]["Candidate"];
        };
        /** @description A face with its template. */
        Embedded: components["schemas"]["Face"] & {
            /** @description Base64 of the template's values, each a little-endian f32. */
            template: string;
        };
        /** @description A photo and the templates of its faces. */
        EmbeddedPhoto: {
            /** @description Values of a template. */
            dim: number;
            /** @description The faces. */
            faces: components["schemas"]["Embedded"][];
            /**
             * Format: int32
             * @description Rows.
             */
            height: number;
            /** @description The model that made the templates: only those of one model can be compared. */
            model: string;
            /**
             * Format: int32
             * @description Columns.
             */
            width: number;
        };
        /** @description What became of one photo: `face` if the person has the face now, `error` if not. */
        EnrolledPhoto: {
            /** @description Of a photo that was only judged: where the face is, in pixels of the upright photo. */
            box?: number[] | null;
            doubt?: null | components["schemas"]["DoubtAbout"];
            error?: null | components["schemas"]["ItemError"];
            /**
             * @description The face.
             * @example f1
             */
            face?: string | null;
            /**
             * @description The same face, if the person had it already.
             * @example f1
             */
            known?: string | null;
            /**
             * Format: float
             * @description How much it resembles the person's other faces, combined; null if it is the first.
             */
            like_own?: number | null;
            /**
             * Format: float
             * @description Of a photo that was only judged: how much the face is worth to recognition, 0 to 1.
             */
            quality?: number | null;
            /** @description Other people whom the face resembles more than by chance, the most similar first. */
            similar?: components["schemas"]["Candidate"][] | null;
            /** @description The photo's name, as it was sent. */
            source: string;
        };
        /** @description What became of photos of a person. */
        EnrolledPhotos: {
            /**
             * @description The operation to undo; null if nothing was stored.
             * @example o1
             */
            operation?: string | null;
            /** @description The person as they are now. */
            person: components["schemas"]["Person"];
            /** @description One result for each photo, in their order. */
            photos: components["schemas"]["EnrolledPhoto"][];
        };
        /** @description The body of every answer that is an error. */
        ErrorBody: {
            /** @description The error. */
            error: components["schemas"]["ErrorFields"];
        };
        /** @description What an error says. */
        ErrorFields: components["schemas"]["ItemError"] & {
            /** @description The request, as the server's log and the header `X-Request-Id` name it. */
            request_id: string;
        };
        /** @description Why a face is who it is, or is not. */
        Explanation: {
            /** @description Left, top, width, height in pixels of the upright photo. */
            box: number[];
            /** @description The most similar people, and what speaks for and against each. */
            candidates: components["schemas"]["Reason"][];
            /** @description How it was decided: `match`, `said`, `ambiguous` or `unknown`. */
            decision: string;
            /** @description The face, by its number in the photo, from 1. */
            face: number;
            /** @description How many people were searched. */
            people: number;
            /** @description The person's name; null if it is nobody known. */
            person?: string | null;
            /**
             * Format: float
             * @description How much the face is worth to recognition, 0 to 1.
             */
            quality: number;
            /**
             * Format: double
             * @description The similarity that a match needs.
             */
            threshold: number;
        };
        /** @description A face in a photo, in pixels of the upright photo. A box may reach outside the photo where a face is cut off. */
        Face: {
            /** @description Left, top, width, height. */
            box: [
                number,
                number,
                number,
                number
            ];
            /** @description The same as shares of the photo's width and height. */
            box_share: [
                number,
                number,
                number,
                number
            ];
            /** @description The person's right eye, left eye, nose tip, right and left corner of the mouth. */
            landmarks: [
                number,
                number
            ][];
            /** @description How the head is turned. */
            pose: components["schemas"]["Pose"];
            /**
             * Format: float
             * @description How much the face is worth to recognition, 0 to 1.
             */
            quality: number;
            /**
             * Format: float
             * @description How sure the detector is, 0 to 1.
             */
            score: number;
        };
        /** @description A gallery in figures. */
        GalleryFigures: {
            /** @description Whether that is another model than the server's: nobody is recognised until it has been adopted. */
            adopt_needed: boolean;
            /**
             * Format: int64
             * @description When rates were measured on this gallery, in seconds since 1970.
             */
            calibrated?: number | null;
            /**
             * Format: int64
             * @description Faces of which a picture is kept.
             */
            crops: number;
            /** @description Values that a template has. */
            dim: number;
            /**
             * Format: int64
             * @description Faces.
             */
            faces: number;
            /** @description The model that it is bound to. */
            model: string;
            /** @description Its name. */
            name: string;
            /**
             * Format: int64
             * @description Faces that are said not to be somebody.
             */
            negatives: number;
            /**
             * Format: int64
             * @description Operations that can be undone.
             */
            operations: number;
            /**
             * Format: int64
             * @description People.
             */
            people: number;
            /**
             * Format: int64
             * @description People without a face, who cannot be recognised.
             */
            people_without_faces: number;
            /**
             * Format: int64
             * @description Faces that wait to be restored or destroyed.
             */
            removed_faces: number;
            /** @description Whether what lies on the disk is sealed. */
            sealed: boolean;
            /**
             * Format: int32
             * @description For how many days what was removed can be restored.
             */
            undo_days: number;
        };
        /** @description A gallery among others. */
        GalleryHead: {
            /**
             * Format: int64
             * @description How many faces it holds.
             */
            faces: number;
            /** @description Its name. */
            name: string;
            /**
             * Format: int64
             * @description How many people it holds.
             */
            people: number;
        };
        /** @description A face and who it is. */
        Identified: components["schemas"]["Face"] & {
            /** @description The most similar people whatever the decision, by falling similarity: not an answer. */
            candidates: components["schemas"]["Candidate"][];
            /** @description The kind of decision. */
            decision: components["schemas"]["DecisionKind"];
            /**
             * @description People whom the face resembles enough for a match, had nobody said that a face like this is not them; by falling
             *     similarity.
             */
            denied: components["schemas"]["Candidate"][];
            /** @description The person's name; null unless it is a match. */
            person?: string | null;
            /**
             * @description The sighting, if the photo was kept.
             * @example s1
             */
            sighting?: string | null;
            /**
             * Format: double
             * @description The similarity that a match needs.
             */
            threshold: number;
            /** @description Of the candidates, how many are too alike to tell; 0 unless the decision is ambiguous. */
            tied: number;
        };
        /** @description A photo and whose faces it shows. */
        IdentifiedPhoto: {
            /** @description The faces. */
            faces: components["schemas"]["Identified"][];
            /**
             * Format: int32
             * @description Rows.
             */
            height: number;
            /**
             * @description The photo, if it was kept.
             * @example i1
             */
            photo?: string | null;
            /**
             * Format: int32
             * @description Columns.
             */
            width: number;
        };
        /** @description Why one item of several was not done. */
        ItemError: {
            /** @description Names the error for programs. */
            code: components["schemas"]["Code"];
            /** @description What programs may want to know beside. */
            details?: unknown;
            /** @description What is wrong. */
            message: string;
            /** @description What can be done about it. */
            remedy: string;
        };
        /** @description Long work, as it stands. */
        Job: {
            /**
             * Format: int64
             * @description When it was asked for, in seconds since 1970.
             */
            created: number;
            /**
             * Format: int64
             * @description Steps that are done.
             */
            done: number;
            error?: null | components["schemas"]["ItemError"];
            /**
             * Format: int64
             * @description When it ended.
             */
            finished?: number | null;
            /** @description The gallery. */
            gallery: string;
            /** @description Its id, such as `j1`. */
            id: string;
            /** @description What it does. */
            kind: components["schemas"]["JobKind"];
            /** @description The result, which depends on the kind. */
            result?: unknown;
            /**
             * Format: double
             * @description Seconds that are left, if that can be told.
             */
            seconds_left?: number | null;
            /** @description How far it is. */
            state: components["schemas"]["JobState"];
            /**
             * Format: int64
             * @description All steps; 0 while that is not known.
             */
            total: number;
        };
        /**
         * @description What a job does.
         * @enum {string}
         */
        JobKind: "calibrate" | "evaluate" | "purge" | "scan" | "adopt";
        /**
         * @description How far a job is.
         * @enum {string}
         */
        JobState: "waiting" | "running" | "done" | "failed" | "cancelled";
        /** @description Strangers to be joined. */
        JoinStrangers: {
            /** @description The strangers who become the other, one or more, by number. */
            from: number[];
        };
        /** @description Photos that were judged. */
        JudgedPhotos: {
            /** @description One result for each photo, in their order, as if they were enrolled; nothing is stored. */
            photos: components["schemas"]["EnrolledPhoto"][];
        };
        /** @description A key, without what it consists of: that is shown once. */
        KeyInfo: {
            /**
             * Format: int64
             * @description When it was made, in seconds since 1970.
             */
            created: number;
            /** @description The galleries that it is confined to; null for all. */
            galleries?: string[] | null;
            /** @description Its id, such as `k3`. */
            id: string;
            /**
             * Format: int64
             * @description When it was last used; null if never.
             */
            last_used?: number | null;
            /** @description What it is for, in the words of whoever made it; may be empty. */
            name: string;
            /** @description What it allows. */
            scope: components["schemas"]["Scope"];
        };
        /** @description An enrolled face beside the one in question. */
        LikeFace: {
            /**
             * @description The enrolled face.
             * @example f1
             */
            face: string;
            /**
             * Format: float
             * @description How like it is: cosine, −1 to 1.
             */
            similarity: number;
            /** @description Where it is from. */
            source?: string | null;
        };
        /** @description A negative beside the face in question. */
        LikeNegative: {
            /**
             * @description The negative.
             * @example n1
             */
            negative: string;
            /**
             * Format: float
             * @description How like it is: cosine, −1 to 1.
             */
            similarity: number;
            /** @description Where it is from. */
            source?: string | null;
        };
        /** @description A sighting that resembles a face. */
        LikeSeen: components["schemas"]["Seen"] & {
            /**
             * Format: double
             * @description False match rate of that similarity.
             */
            fmr: number;
            /**
             * Format: float
             * @description Cosine, −1 to 1.
             */
            similarity: number;
        };
        /** @description A list, or a part of it. */
        List_ArchivePhoto: {
            /** @description The items. */
            items: {
                /** @description Other files with the same content. */
                copies: string[];
                /** @description Its faces, or those that were looked for. */
                faces: components["schemas"]["Seen"][];
                /**
                 * Format: int32
                 * @description Rows.
                 */
                height: number;
                /** @description Its file, or the name that it was sent under. */
                path: string;
                /**
                 * @description The photo.
                 * @example i1
                 */
                photo: string;
                /** @description Whether it was sent: only pictures of its faces are kept. */
                sent: boolean;
                /**
                 * Format: int64
                 * @description When it was taken or, if that is not known, last changed or sent, in seconds since 1970.
                 */
                taken: number;
                /**
                 * Format: int32
                 * @description Columns of the upright photo.
                 */
                width: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Asked: {
            /** @description The items. */
            items: (components["schemas"]["AskedWhat"] & {
                /** @description Names the question: `POST /v1/review` takes it. */
                key: string;
                /**
                 * Format: double
                 * @description How many faces the answer decides, about.
                 */
                worth: number;
            })[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_AuditEntry: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When, in seconds since 1970.
                 */
                at: number;
                /** @description The gallery; null where none is meant. */
                gallery?: string | null;
                /** @description The request. */
                request_id: string;
                /**
                 * Format: int32
                 * @description The HTTP status that was answered.
                 */
                status: number;
                /** @description The id in the route; null if it has none. */
                subject?: string | null;
                /** @description Method and route. */
                what: string;
                /** @description A key's id, `session`, `setup` or `nobody`. */
                who: string;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Candidate: {
            /** @description The items. */
            items: {
                /**
                 * @description The enrolled face that carried the comparison: of the person's faces the most similar.
                 * @example f1
                 */
                face: string;
                /**
                 * Format: double
                 * @description False match rate: the share of pairs of different people that are as similar or more.
                 */
                fmr: number;
                /**
                 * Format: double
                 * @description False positive identification rate: the chance that a stranger resembles anybody among those searched as much.
                 */
                fpir: number;
                /**
                 * @description The person.
                 * @example p1
                 */
                id: string;
                /** @description The person's name. */
                person: string;
                /**
                 * Format: float
                 * @description Cosine between the face and the person's faces, combined; −1 to 1.
                 */
                similarity: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_GalleryHead: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description How many faces it holds.
                 */
                faces: number;
                /** @description Its name. */
                name: string;
                /**
                 * Format: int64
                 * @description How many people it holds.
                 */
                people: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Job: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When it was asked for, in seconds since 1970.
                 */
                created: number;
                /**
                 * Format: int64
                 * @description Steps that are done.
                 */
                done: number;
                error?: null | components["schemas"]["ItemError"];
                /**
                 * Format: int64
                 * @description When it ended.
                 */
                finished?: number | null;
                /** @description The gallery. */
                gallery: string;
                /** @description Its id, such as `j1`. */
                id: string;
                /** @description What it does. */
                kind: components["schemas"]["JobKind"];
                /** @description The result, which depends on the kind. */
                result?: unknown;
                /**
                 * Format: double
                 * @description Seconds that are left, if that can be told.
                 */
                seconds_left?: number | null;
                /** @description How far it is. */
                state: components["schemas"]["JobState"];
                /**
                 * Format: int64
                 * @description All steps; 0 while that is not known.
                 */
                total: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_KeyInfo: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When it was made, in seconds since 1970.
                 */
                created: number;
                /** @description The galleries that it is confined to; null for all. */
                galleries?: string[] | null;
                /** @description Its id, such as `k3`. */
                id: string;
                /**
                 * Format: int64
                 * @description When it was last used; null if never.
                 */
                last_used?: number | null;
                /** @description What it is for, in the words of whoever made it; may be empty. */
                name: string;
                /** @description What it allows. */
                scope: components["schemas"]["Scope"];
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_LikeSeen: {
            /** @description The items. */
            items: (components["schemas"]["Seen"] & {
                /**
                 * Format: double
                 * @description False match rate of that similarity.
                 */
                fmr: number;
                /**
                 * Format: float
                 * @description Cosine, −1 to 1.
                 */
                similarity: number;
            })[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Negative: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When it was said, in seconds since 1970.
                 */
                added: number;
                /**
                 * @description The id.
                 * @example n1
                 */
                id: string;
                /**
                 * @description The person who the face is not.
                 * @example p1
                 */
                person: string;
                /** @description SHA-256 of the photo's file. */
                photo?: string | null;
                /** @description Where the photo is from. */
                source?: string | null;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Operation: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When, in seconds since 1970.
                 */
                at: number;
                /** @description The kind's own fields. */
                details: unknown;
                /**
                 * @description The id.
                 * @example o1
                 */
                id: string;
                /** @description What, for programs. */
                kind: string;
                /** @description What, as an English sentence without names. */
                what: string;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Person: {
            /** @description The items. */
            items: {
                /** @description Any text under any key. */
                attributes: {
                    [key: string]: string;
                };
                /**
                 * Format: int64
                 * @description When they were enrolled, in seconds since 1970.
                 */
                created: number;
                /** @description How many faces they have. */
                faces: number;
                /**
                 * @description The id.
                 * @example p1
                 */
                id: string;
                /** @description Watch lists that the person is on. */
                lists: string[];
                /** @description The name; empty if nobody knows it. */
                name: string;
                /** @description How many faces are said not to be this person. */
                negatives: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_StoredFace: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When it was enrolled, in seconds since 1970.
                 */
                added: number;
                /** @description On what ground it is kept. */
                consent?: string | null;
                /** @description Whether a picture of it is kept. */
                crop: boolean;
                /**
                 * @description The id.
                 * @example f1
                 */
                id: string;
                /**
                 * @description The person whose face it is.
                 * @example p1
                 */
                person: string;
                /** @description SHA-256 of the photo's file. */
                photo?: string | null;
                /**
                 * Format: float
                 * @description How much it is worth to recognition, 0 to 1.
                 */
                quality: number;
                /** @description Where the photo is from. */
                source?: string | null;
                /**
                 * Format: int64
                 * @description When the photo was taken, in seconds since 1970.
                 */
                taken?: number | null;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Stranger: {
            /** @description The items. */
            items: {
                /** @description How many faces they have. */
                count: number;
                /** @description Their faces, the best first; in lists only the first of them. */
                faces: components["schemas"]["StrangerFace"][];
                /**
                 * Format: int64
                 * @description When the first of the photos was taken, last changed or sent, in seconds since 1970.
                 */
                first: number;
                /** @description Whether nobody wants to hear of them. */
                ignored: boolean;
                /**
                 * Format: int64
                 * @description The same of the last.
                 */
                last: number;
                /** @description In how many photos. */
                photos: number;
                /**
                 * Format: int64
                 * @description The number. It stays the same, and is never another stranger's.
                 */
                stranger: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Stream: {
            /** @description The items. */
            items: {
                /**
                 * Format: double
                 * @description For how many seconds events of the same kind about the same person are held back; 0 holds none back.
                 */
                cooldown: number;
                /**
                 * Format: int64
                 * @description Frames that were left out because there was no time for them.
                 */
                dropped: number;
                /**
                 * Format: double
                 * @description False positive identification rate.
                 */
                fpir: number;
                /**
                 * Format: int64
                 * @description Frames that were taken since it was opened.
                 */
                frames: number;
                /**
                 * Format: int32
                 * @description Rows of the video.
                 */
                height?: number | null;
                /**
                 * @description Its id.
                 * @example c0123abcd
                 */
                id: string;
                /**
                 * Format: double
                 * @description For how many days visits are kept.
                 */
                keep_days: number;
                /** @description The watch list that faces are compared with; null for everybody. */
                list?: string | null;
                /** @description The MQTT broker to which its events are published, without credentials; null for none. */
                mqtt?: string | null;
                /** @description What people call it. */
                name: string;
                /** @description Whether the best view of each visit is kept. */
                pictures: boolean;
                /** @description Who is there now. */
                present: components["schemas"]["Present"][];
                /** @description Whether there is a preview. */
                preview: boolean;
                /** @description Why it is lost or failed. */
                problem?: string | null;
                /** @description What can be done about it. */
                remedy?: string | null;
                /** @description Whether strangers are kept in the gallery, with their numbers. */
                remember: boolean;
                /** @description Whether it should be watched, also after a restart of the server. */
                running: boolean;
                /**
                 * Format: double
                 * @description Since when it fares so, in seconds since 1970.
                 */
                since: number;
                /** @description Whether a picture of the moment is kept with each event in which somebody appears or is identified. */
                snapshots: boolean;
                /** @description Its address without credentials and query. */
                source: string;
                /** @description How it fares. */
                state: components["schemas"]["StreamState"];
                /** @description Why events wait to be delivered; null if they do not. */
                undelivered?: string | null;
                /** @description Where its events are sent, without path and credentials; null for nowhere. */
                webhook?: string | null;
                /**
                 * Format: int32
                 * @description Columns of the video, once it was opened.
                 */
                width?: number | null;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_StreamSnapshot: {
            /** @description The items. */
            items: {
                /**
                 * Format: double
                 * @description When it was taken, in seconds since 1970.
                 */
                at: number;
                /** @description Where the face is: left, top, width, height in pixels of the video, of which the picture may be a smaller copy. */
                box?: number[] | null;
                event?: null | components["schemas"]["StreamEventKind"];
                /**
                 * @description Its id.
                 * @example n34
                 */
                id: string;
                /** @description The event's person. */
                person?: string | null;
                /**
                 * Format: int64
                 * @description The event's stranger.
                 */
                stranger?: number | null;
                /**
                 * Format: int64
                 * @description The event's track.
                 */
                track?: number | null;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_StreamVisit: {
            /** @description The items. */
            items: {
                /** @description Whether it goes on. */
                current: boolean;
                /**
                 * Format: double
                 * @description The chance that a stranger would have been taken for anybody as clearly; null without a name.
                 */
                fpir?: number | null;
                /**
                 * Format: double
                 * @description When it began, in seconds since 1970.
                 */
                from: number;
                /**
                 * @description Its id; of a visit that goes on it changes at its end.
                 * @example v12
                 */
                id: string;
                /** @description The person's name; null if nobody knows. */
                person?: string | null;
                /**
                 * @description The person.
                 * @example p1
                 */
                person_id?: string | null;
                /** @description Whether a picture is kept. */
                picture: boolean;
                /**
                 * Format: double
                 * @description For how many seconds the face was seen.
                 */
                seen: number;
                /**
                 * Format: int64
                 * @description The stranger's number, if there is one.
                 */
                stranger?: number | null;
                /**
                 * Format: double
                 * @description When the person was last seen.
                 */
                until: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_WatchList: {
            /** @description The items. */
            items: {
                /** @description Its name. */
                name: string;
                /** @description How many people are on it. */
                people: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A passphrase. */
        LogIn: {
            /** @description The passphrase. */
            passphrase: string;
        };
        /** @description A key, shown this once. */
        MadeKey: components["schemas"]["KeyInfo"] & {
            /** @description The key. */
            key: string;
        };
        /** @description People to be merged. */
        Merge: {
            /** @description The people who become the other, one or more. */
            from: string[];
        };
        /** @description A person after a merger. */
        MergedPerson: components["schemas"]["Person"] & {
            /** @description The operations to undo, the last first. */
            operations: string[];
        };
        /** @description To whom a face is to be given. */
        MoveTo: {
            /**
             * @description The person.
             * @example p2
             */
            to: string;
        };
        /** @description A face after it was moved. */
        MovedFace: components["schemas"]["StoredFace"] & {
            /**
             * @description The operation to undo.
             * @example o1
             */
            operation: string;
        };
        /** @description A photo in base64, with its name. */
        NamedPhoto: {
            /** @description The picture in base64. */
            photo: string;
            /** @description Its name. */
            source?: string | null;
        };
        /** @description A stranger who was given a name. */
        NamedStranger: {
            /** @description How many faces were enrolled. */
            enrolled: number;
            /**
             * @description The person.
             * @example p1
             */
            id?: string | null;
            /** @description Whether the person is new in the gallery. */
            new: boolean;
            /**
             * @description The operation to undo.
             * @example o1
             */
            operation: string;
            /** @description The name. */
            person: string;
            /**
             * Format: int64
             * @description The stranger.
             */
            stranger: number;
            /** @description Of how many faces no picture could be kept, because their photos cannot be read. */
            without_picture: number;
        };
        /** @description "This face is not that person." */
        Negative: {
            /**
             * Format: int64
             * @description When it was said, in seconds since 1970.
             */
            added: number;
            /**
             * @description The id.
             * @example n1
             */
            id: string;
            /**
             * @description The person who the face is not.
             * @example p1
             */
            person: string;
            /** @description SHA-256 of the photo's file. */
            photo?: string | null;
            /** @description Where the photo is from. */
            source?: string | null;
        };
        /** @description A gallery to be made. */
        NewGallery: {
            /** @description Its name: a to z, 0 to 9, `-` and `_`, 40 at the most. */
            name: string;
        };
        /** @description A key to be made. */
        NewKey: {
            /** @description The galleries that it is confined to; all if it is left out. */
            galleries?: string[] | null;
            /** @description What it is for. */
            name?: string;
            /** @description What it allows. */
            scope: components["schemas"]["Scope"];
        };
        /** @description A negative that was noted. */
        NewNegative: {
            /**
             * @description The negative.
             * @example n1
             */
            negative: string;
            /**
             * @description The operation to undo.
             * @example o1
             */
            operation: string;
        };
        /** @description Another passphrase. */
        NewPassphrase: {
            /** @description The one that is to hold, 12 characters or more. */
            new: string;
            /** @description The passphrase that holds. */
            old: string;
        };
        /** @description A person to be made. */
        NewPerson: {
            /** @description Any text under any key. */
            attributes?: {
                [key: string]: string;
            };
            /** @description Watch lists. */
            lists?: string[];
            /** @description The name. */
            name: string;
        };
        /** @description A stranger who was split off. */
        NewStranger: {
            /**
             * @description The operation to undo.
             * @example o1
             */
            operation: string;
            /**
             * Format: int64
             * @description The new stranger, by number.
             */
            stranger: number;
        };
        /** @description A camera to be watched. */
        NewStream: {
            /**
             * Format: double
             * @description After an event, those of the same kind about the same person are held back for so many seconds; 0 unless it is set.
             *     Visits are always told, and who is there is told as it is.
             */
            cooldown?: number | null;
            /**
             * Format: double
             * @description False positive identification rate; 0.01 unless it is set.
             */
            fpir?: number | null;
            /**
             * Format: double
             * @description For how many days visits are kept; the setting visit_days unless it is set.
             */
            keep_days?: number | null;
            /** @description Only people on this watch list. */
            list?: string | null;
            /**
             * @description The MQTT broker to which its events are published; the setting mqtt unless it is set, and none if it is empty. Its
             *     credentials are never told.
             * @example mqtt://name:password@broker/prefix
             */
            mqtt?: string | null;
            /**
             * @description What people call it.
             * @example Front door
             */
            name: string;
            /** @description Whether the best view of each visit is kept; true unless it is set. */
            pictures?: boolean | null;
            /** @description Whether there is a preview; false unless it is set. */
            preview?: boolean | null;
            /** @description Whether strangers are kept in the gallery, with their numbers; false unless it is set. */
            remember?: boolean | null;
            /** @description Whether it is watched at once; true unless it is set. */
            running?: boolean | null;
            /**
             * @description Whether a picture of the moment is kept with each event in which somebody appears or is identified; false unless it is
             *     set. The last 1,000 are kept, for as many days as visits.
             */
            snapshots?: boolean | null;
            /**
             * @description Its address, with name and password if it asks for them: rtsp, rtsps, rtmp, rtmps, http, https, srt, udp, or a camera of
             *     the server such as /dev/video0. It is never told to anybody.
             * @example rtsp://name:password@camera/stream
             */
            url: string;
            /**
             * @description Where its events are sent by HTTP POST; the setting webhook unless it is set, and nowhere if it is empty. Only host and
             *     port of it are ever told.
             */
            webhook?: string | null;
            /** @description The secret that signs them, of 16 characters or more; the server's unless it is set. It is never told to anybody. */
            webhook_secret?: string | null;
        };
        /** @description A face that is not the person. */
        NotFace: {
            /**
             * @description A face that was enrolled for the person.
             * @example f1
             */
            face: string;
        };
        /** @description Who a sighting is not. */
        NotWhom: {
            /**
             * @description The person.
             * @example p1
             */
            person: string;
        };
        /** @description Something that was done and can be undone. */
        Operation: {
            /**
             * Format: int64
             * @description When, in seconds since 1970.
             */
            at: number;
            /** @description The kind's own fields. */
            details: unknown;
            /**
             * @description The id.
             * @example o1
             */
            id: string;
            /** @description What, for programs. */
            kind: string;
            /** @description What, as an English sentence without names. */
            what: string;
        };
        /** @description A form with two photos, or with one that is compared with a person. */
        PairForm: {
            /**
             * Format: binary
             * @description The first picture.
             */
            a?: Blob;
            /**
             * Format: binary
             * @description The second picture.
             */
            b?: Blob;
            /**
             * Format: binary
             * @description The picture that is compared with a person.
             */
            photo?: Blob;
        };
        /** @description Two photos in base64, or one that is compared with a person. */
        PairJson: {
            /** @description The first picture in base64. */
            a?: string | null;
            /** @description The second picture in base64. */
            b?: string | null;
            /** @description The picture that is compared with a person, in base64. */
            photo?: string | null;
        };
        /** @description A person. */
        Person: {
            /** @description Any text under any key. */
            attributes: {
                [key: string]: string;
            };
            /**
             * Format: int64
             * @description When they were enrolled, in seconds since 1970.
             */
            created: number;
            /** @description How many faces they have. */
            faces: number;
            /**
             * @description The id.
             * @example p1
             */
            id: string;
            /** @description Watch lists that the person is on. */
            lists: string[];
            /** @description The name; empty if nobody knows it. */
            name: string;
            /** @description How many faces are said not to be this person. */
            negatives: number;
        };
        /** @description What to change of a person: what is left out stays as it is. */
        PersonChange: {
            /** @description All attributes. */
            attributes?: {
                [key: string]: string;
            } | null;
            /** @description All watch lists. */
            lists?: string[] | null;
            /** @description The name. */
            name?: string | null;
        };
        /** @description A form with one photo. */
        PhotoForm: {
            /**
             * Format: binary
             * @description The picture.
             */
            photo: Blob;
        };
        /** @description A photo in base64. */
        PhotoJson: {
            /** @description The picture in base64, or a `data:` URL. */
            photo: string;
        };
        /** @description A form with photos of one person. */
        PhotosForm: {
            /** @description The pictures. */
            photo: Blob[];
        };
        /** @description Photos of one person in base64. */
        PhotosJson: {
            /** @description The pictures. */
            photos: components["schemas"]["NamedPhoto"][];
        };
        /** @description How a head is turned, in degrees. */
        Pose: {
            /**
             * Format: double
             * @description Positive where the person looks up.
             */
            pitch: number;
            /**
             * Format: double
             * @description Positive where the head leans clockwise on the screen.
             */
            roll: number;
            /**
             * Format: double
             * @description Positive where the person looks towards the right side of the picture.
             */
            yaw: number;
        };
        /** @description A face that is there now. */
        Present: {
            /** @description Left, top, width, height in pixels of the video. */
            box: number[];
            /** @description The same as shares of the video's width and height. */
            box_share: number[];
            /** @description The person's name, if it is known. */
            person?: string | null;
            /**
             * @description The person.
             * @example p1
             */
            person_id?: string | null;
            /**
             * Format: int64
             * @description The stranger's number, if there is one.
             */
            stranger?: number | null;
            /**
             * Format: int64
             * @description The track: one face that was followed without a break.
             */
            track: number;
        };
        /** @description What to destroy. */
        PurgeWhat: {
            /**
             * Format: int32
             * @description Only what was removed so many days ago or more; all if it is left out.
             */
            days?: number | null;
        };
        /** @description The next questions. */
        Questions: {
            /** @description They, by falling worth. */
            items: components["schemas"]["Asked"][];
            /** @description How many there are in all. */
            left: number;
        };
        /** @description A similarity and the false match rate that it stands for. */
        RatePoint: {
            /**
             * Format: double
             * @description False match rate.
             */
            fmr: number;
            /**
             * Format: double
             * @description Similarity.
             */
            similarity: number;
        };
        /** @description What a rate means in this gallery. */
        Rates: {
            /**
             * Format: double
             * @description The false match rate of each comparison.
             */
            fmr: number;
            /**
             * Format: double
             * @description The false positive identification rate of a search.
             */
            fpir: number;
            /**
             * Format: double
             * @description The smallest false match rate that was measured; below it, rates are estimates.
             */
            least_measured: number;
            /**
             * Format: int64
             * @description People who are searched.
             */
            people: number;
            /** @description Measured similarities by falling rate. */
            points: components["schemas"]["RatePoint"][];
            /** @description `card` if the model's own rates hold, `measured` if they were measured on this gallery. */
            source: string;
            /**
             * Format: double
             * @description The similarity that a match needs.
             */
            threshold: number;
        };
        /** @description What speaks for and against a person. */
        Reason: {
            /** @description Whether a negative is more like it than any of the person's faces, which rules the person out. */
            denied: boolean;
            /** @description The person's faces that are most like it. */
            faces: components["schemas"]["LikeFace"][];
            /**
             * Format: double
             * @description The false match rate of that.
             */
            fmr: number;
            /**
             * Format: double
             * @description The chance that a stranger resembles anybody as much.
             */
            fpir: number;
            /** @description What was said not to be the person, and is like it: the nearest. */
            negatives: components["schemas"]["LikeNegative"][];
            /** @description The person. */
            person: components["schemas"]["Somebody"];
            /**
             * Format: float
             * @description Cosine between the face and the person's faces, combined.
             */
            similarity: number;
            /** @description The face of this photo, by its number from 1, that is the person instead. */
            taken_by?: number | null;
        };
        /** @description An answer to a question. */
        ReviewAnswer: {
            /** @description The answer. */
            answer: components["schemas"]["AnswerKind"];
            /** @description On what ground faces are kept that are enrolled by it. */
            consent?: string | null;
            /** @description The question. */
            key: string;
            /** @description With `name`: the name; who has none of that name is made. */
            name?: string | null;
            /**
             * @description With `name`, instead: the person.
             * @example p1
             */
            person?: string | null;
        };
        /** @description An answer to be taken back, as `POST /v1/review` told of it. */
        ReviewUndo: {
            /** @description The question. */
            key: string;
            /** @description The operations, the latest last. */
            operations?: string[];
        };
        /** @description What was taken back. */
        ReviewUndone: {
            /** @description In words, the latest first; nothing if only the question was settled. */
            undone: string[];
        };
        /** @description What an answer has done. */
        Reviewed: {
            /** @description In words. */
            done: string;
            /** @description The question. */
            key: string;
            /** @description Operations to undo, the latest last; none if only the question was settled. */
            operations: string[];
        };
        /** @description A sighting of which somebody said who it is. */
        SaidWho: {
            /**
             * @description The person.
             * @example p1
             */
            id: string;
            /** @description The operations to undo, the last first. */
            operations: string[];
            /** @description The name. */
            person: string;
        };
        /** @description Folders of photos. */
        ScanFolders: {
            /** @description The folders that the server may scan; none unless the setting `scan_folders` names some. */
            folders: string[];
        };
        /** @description What to scan. */
        ScanWhat: {
            /** @description The folder, in one that the server may scan; all of those if it is left out. */
            folder?: string | null;
        };
        /**
         * @description What a caller may do; each scope holds those before it.
         * @enum {string}
         */
        Scope: "read" | "enrol" | "admin";
        /** @description A face that was seen in a photo, and who it is. */
        Seen: {
            /** @description Left, top, width, height in pixels of the upright photo. */
            box: number[];
            /** @description The same as shares of the photo's width and height. */
            box_share: number[];
            /** @description How it was decided: `match`, `said`, `ambiguous` or `unknown`. */
            decision: string;
            /**
             * Format: double
             * @description The chance that a stranger resembles anybody as much; 0 where somebody has said who it is.
             */
            fpir: number;
            /**
             * @description The person.
             * @example p1
             */
            id?: string | null;
            /** @description The photo's file, or the name of one that was sent. */
            path: string;
            /** @description The person's name, or the id of one who has none; null if nobody knows who it is. */
            person?: string | null;
            /**
             * @description The photo.
             * @example i1
             */
            photo: string;
            /**
             * Format: float
             * @description How much the face is worth to recognition, 0 to 1.
             */
            quality: number;
            /**
             * @description The sighting.
             * @example s1
             */
            sighting: string;
            /**
             * Format: int64
             * @description The number of the stranger, if it is one.
             */
            stranger?: number | null;
            /**
             * Format: int64
             * @description When the photo was taken or, if that is not known, last changed or sent, in seconds since 1970.
             */
            taken: number;
        };
        /** @description A session. */
        SessionInfo: {
            /** @description What the header `Phiz-Csrf` must hold. */
            csrf: string;
            /**
             * Format: int64
             * @description When it ends unless it is used, in seconds since 1970.
             */
            expires: number;
            /** @description What the session may do. */
            scope: components["schemas"]["Scope"];
        };
        /** @description The first passphrase. */
        Setup: {
            /** @description The code that the terminal shows. */
            code: string;
            /** @description The passphrase, 12 characters or more. */
            passphrase: string;
        };
        /** @description A face that a question shows. */
        ShownFace: {
            /** @description Left, top, width, height in pixels of the upright photo. */
            box: number[];
            /** @description The photo's file, or the name of one that was sent. */
            path: string;
            /**
             * @description The photo.
             * @example i1
             */
            photo: string;
            /**
             * @description The sighting.
             * @example s1
             */
            sighting: string;
        };
        /** @description Somebody, in questions and explanations. */
        Somebody: {
            /**
             * @description The person.
             * @example p1
             */
            id: string;
            /** @description The name, or the id of one who has none. */
            name: string;
        };
        /** @description Faces to be split off. */
        Split: {
            /** @description The faces of the new person, one or more. */
            faces: string[];
            /** @description The new person's name; nobody's if it is left out. */
            name?: string;
        };
        /** @description Faces to be split off a stranger. */
        SplitStranger: {
            /** @description The faces of the other person, one or more. */
            faces: string[];
        };
        /** @description Whether somebody has to set the server up, and who asks. */
        Status: {
            /** @description Whether a passphrase exists. */
            passphrase: boolean;
            scope?: null | components["schemas"]["Scope"];
            /** @description Whether neither a passphrase nor a key exists. */
            setup_needed: boolean;
            /** @description Whether the request came with a session. */
            signed_in: boolean;
            /** @description The version of Phiz. */
            version: string;
        };
        /** @description An enrolled face. */
        StoredFace: {
            /**
             * Format: int64
             * @description When it was enrolled, in seconds since 1970.
             */
            added: number;
            /** @description On what ground it is kept. */
            consent?: string | null;
            /** @description Whether a picture of it is kept. */
            crop: boolean;
            /**
             * @description The id.
             * @example f1
             */
            id: string;
            /**
             * @description The person whose face it is.
             * @example p1
             */
            person: string;
            /** @description SHA-256 of the photo's file. */
            photo?: string | null;
            /**
             * Format: float
             * @description How much it is worth to recognition, 0 to 1.
             */
            quality: number;
            /** @description Where the photo is from. */
            source?: string | null;
            /**
             * Format: int64
             * @description When the photo was taken, in seconds since 1970.
             */
            taken?: number | null;
        };
        /** @description A stranger: faces that are one person whom nobody has named. */
        Stranger: {
            /** @description How many faces they have. */
            count: number;
            /** @description Their faces, the best first; in lists only the first of them. */
            faces: components["schemas"]["StrangerFace"][];
            /**
             * Format: int64
             * @description When the first of the photos was taken, last changed or sent, in seconds since 1970.
             */
            first: number;
            /** @description Whether nobody wants to hear of them. */
            ignored: boolean;
            /**
             * Format: int64
             * @description The same of the last.
             */
            last: number;
            /** @description In how many photos. */
            photos: number;
            /**
             * Format: int64
             * @description The number. It stays the same, and is never another stranger's.
             */
            stranger: number;
        };
        /** @description A stranger's face. */
        StrangerFace: {
            /** @description Left, top, width, height in pixels of the upright photo. */
            box: number[];
            /** @description The photo's file, or the name of one that was sent. */
            path: string;
            /**
             * @description The photo.
             * @example i1
             */
            photo: string;
            /**
             * Format: float
             * @description How much the face is worth to recognition, 0 to 1.
             */
            quality: number;
            /**
             * @description The sighting.
             * @example s1
             */
            sighting: string;
        };
        /** @description A camera that is watched. */
        Stream: {
            /**
             * Format: double
             * @description For how many seconds events of the same kind about the same person are held back; 0 holds none back.
             */
            cooldown: number;
            /**
             * Format: int64
             * @description Frames that were left out because there was no time for them.
             */
            dropped: number;
            /**
             * Format: double
             * @description False positive identification rate.
             */
            fpir: number;
            /**
             * Format: int64
             * @description Frames that were taken since it was opened.
             */
            frames: number;
            /**
             * Format: int32
             * @description Rows of the video.
             */
            height?: number | null;
            /**
             * @description Its id.
             * @example c0123abcd
             */
            id: string;
            /**
             * Format: double
             * @description For how many days visits are kept.
             */
            keep_days: number;
            /** @description The watch list that faces are compared with; null for everybody. */
            list?: string | null;
            /** @description The MQTT broker to which its events are published, without credentials; null for none. */
            mqtt?: string | null;
            /** @description What people call it. */
            name: string;
            /** @description Whether the best view of each visit is kept. */
            pictures: boolean;
            /** @description Who is there now. */
            present: components["schemas"]["Present"][];
            /** @description Whether there is a preview. */
            preview: boolean;
            /** @description Why it is lost or failed. */
            problem?: string | null;
            /** @description What can be done about it. */
            remedy?: string | null;
            /** @description Whether strangers are kept in the gallery, with their numbers. */
            remember: boolean;
            /** @description Whether it should be watched, also after a restart of the server. */
            running: boolean;
            /**
             * Format: double
             * @description Since when it fares so, in seconds since 1970.
             */
            since: number;
            /** @description Whether a picture of the moment is kept with each event in which somebody appears or is identified. */
            snapshots: boolean;
            /** @description Its address without credentials and query. */
            source: string;
            /** @description How it fares. */
            state: components["schemas"]["StreamState"];
            /** @description Why events wait to be delivered; null if they do not. */
            undelivered?: string | null;
            /** @description Where its events are sent, without path and credentials; null for nowhere. */
            webhook?: string | null;
            /**
             * Format: int32
             * @description Columns of the video, once it was opened.
             */
            width?: number | null;
        };
        /** @description What of a stream is to be otherwise; what is left out stays. */
        StreamEdit: {
            /**
             * Format: double
             * @description For how many seconds events of the same kind about the same person are held back.
             * @default null
             */
            cooldown: number | null;
            /**
             * Format: double
             * @description False positive identification rate.
             * @default null
             */
            fpir: number | null;
            /**
             * Format: double
             * @description For how many days visits are kept.
             * @default null
             */
            keep_days: number | null;
            /**
             * @description The watch list; null for everybody.
             * @default null
             */
            list: string | null;
            /**
             * @description The MQTT broker; null for the one of the setting mqtt, empty for none.
             * @default null
             */
            mqtt: string | null;
            /**
             * @description What people call it.
             * @default null
             */
            name: string | null;
            /**
             * @description Whether the best view of each visit is kept.
             * @default null
             */
            pictures: boolean | null;
            /**
             * @description Whether there is a preview.
             * @default null
             */
            preview: boolean | null;
            /**
             * @description Whether strangers are kept in the gallery.
             * @default null
             */
            remember: boolean | null;
            /**
             * @description Whether it is watched.
             * @default null
             */
            running: boolean | null;
            /**
             * @description Whether a picture of the moment is kept with each event in which somebody appears or is identified.
             * @default null
             */
            snapshots: boolean | null;
            /**
             * @description Its address, with name and password.
             * @default null
             */
            url: string | null;
            /**
             * @description Where its events are sent; null for where the setting webhook says, empty for nowhere.
             * @default null
             */
            webhook: string | null;
            /**
             * @description The secret that signs them; null for the server's.
             * @default null
             */
            webhook_secret: string | null;
        };
        /**
         * @description Kind of an event.
         * @enum {string}
         */
        StreamEventKind: "appeared" | "identified" | "changed" | "left" | "visit";
        /** @description A picture of what a camera showed at one moment. */
        StreamSnapshot: {
            /**
             * Format: double
             * @description When it was taken, in seconds since 1970.
             */
            at: number;
            /** @description Where the face is: left, top, width, height in pixels of the video, of which the picture may be a smaller copy. */
            box?: number[] | null;
            event?: null | components["schemas"]["StreamEventKind"];
            /**
             * @description Its id.
             * @example n34
             */
            id: string;
            /** @description The event's person. */
            person?: string | null;
            /**
             * Format: int64
             * @description The event's stranger.
             */
            stranger?: number | null;
            /**
             * Format: int64
             * @description The event's track.
             */
            track?: number | null;
        };
        /**
         * @description How a stream fares.
         * @enum {string}
         */
        StreamState: "opening" | "watching" | "lost" | "failed" | "stopped";
        /** @description Somebody was before a camera, or is. */
        StreamVisit: {
            /** @description Whether it goes on. */
            current: boolean;
            /**
             * Format: double
             * @description The chance that a stranger would have been taken for anybody as clearly; null without a name.
             */
            fpir?: number | null;
            /**
             * Format: double
             * @description When it began, in seconds since 1970.
             */
            from: number;
            /**
             * @description Its id; of a visit that goes on it changes at its end.
             * @example v12
             */
            id: string;
            /** @description The person's name; null if nobody knows. */
            person?: string | null;
            /**
             * @description The person.
             * @example p1
             */
            person_id?: string | null;
            /** @description Whether a picture is kept. */
            picture: boolean;
            /**
             * Format: double
             * @description For how many seconds the face was seen.
             */
            seen: number;
            /**
             * Format: int64
             * @description The stranger's number, if there is one.
             */
            stranger?: number | null;
            /**
             * Format: double
             * @description When the person was last seen.
             */
            until: number;
        };
        /** @description Which operation to take back. */
        Undo: {
            /**
             * @description The operation; the latest if none is named.
             * @example o1
             */
            operation?: string | null;
        };
        /** @description What was taken back. */
        Undone: {
            /** @description People who are as they were. */
            people: string[];
            /** @description The operation. */
            undone: components["schemas"]["Operation"];
        };
        /** @description Whether two photos, or a photo and a person, are the same. */
        Verified: {
            /** @description Whether somebody said that a face like this is not the person. */
            denied?: boolean | null;
            /**
             * Format: double
             * @description False match rate of that similarity; null if it is not known.
             */
            fmr?: number | null;
            /**
             * @description The person's id, if the photo was compared with a person.
             * @example p1
             */
            id?: string | null;
            /** @description The person's name, if the photo was compared with a person. */
            person?: string | null;
            /** @description Whether that rate is at most the one that was asked for. */
            same?: boolean | null;
            /**
             * Format: float
             * @description Cosine, −1 to 1.
             */
            similarity: number;
        };
        /** @description A watch list. */
        WatchList: {
            /** @description Its name. */
            name: string;
            /** @description How many people are on it. */
            people: number;
        };
        /** @description Who a sighting is: `person` or `name`. */
        Whom: {
            /** @description On what ground the faces are kept, in the words of whoever says it. */
            consent?: string | null;
            /** @description Instead: the name; who has none of that name is made. */
            name?: string | null;
            /**
             * @description The person.
             * @example p1
             */
            person?: string | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
